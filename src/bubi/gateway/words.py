"""Result codes in words, in both languages; the English ones are those of the SDK."""

from bubi_sdk import codes

CHINESE: dict[str, str] = {
    "final": "所有操作均已生效。",
    "internal": "内部缺陷使交易中止，已发出告警。",
    "id_conflict": "另一笔交易已使用相同的来源账户和编号。",
    "precondition_failed": "某个前置条件不成立。",
    "quota_exceeded": "来源账户在本时间窗内的配额已用完。",
    "account_missing": "必须存在的账户不存在。",
    "account_exists": "账户已存在。",
    "account_closed": "账户已注销。",
    "account_not_empty": "账户中仍有内容。",
    "lock_out": "签名人的权重之和将再也达不到某个门限。",
    "algorithm_disabled": "新密钥的算法已停用。",
    "key_invalid": "新密钥不是该算法的有效密钥。",
    "signer_limit_exceeded": "受签名人金额限制，权重不足。",
    "not_permitted": "来源账户无权执行此操作。",
    "data_version_mismatch": "数据项的版本不同。",
    "data_missing": "没有此数据项。",
    "claim_missing": "没有此声明。",
    "asset_missing": "没有此资产。",
    "asset_exists": "发行方已有使用此代码的资产。",
    "asset_kind_mismatch": "资产种类不符。",
    "cap_exceeded": "供应量将超过上限或 10^38 − 1。",
    "balance_insufficient": "持有人可用余额不足。",
    "asset_frozen": "资产已冻结。",
    "holder_frozen": "持有人已冻结。",
    "not_whitelisted": "接收人不在白名单中。",
    "feature_missing": "资产创建时未启用此功能。",
    "expiry_invalid": "时间不晚于区块时间，或与资产种类不符。",
    "lots_full": "接收人持有的此资产批次过多。",
    "item_exists": "物品已存在。",
    "item_missing": "没有此物品。",
    "hold_missing": "没有此冻结额。",
    "hold_expired": "冻结额已到期。",
    "hold_exceeded": "冻结额小于所求金额。",
    "namespace_missing": "没有此命名空间。",
    "namespace_exists": "名称已被占用。",
    "not_writer": "来源账户不是该命名空间的写入者，或不是该记录的作者。",
    "record_version_mismatch": "记录的版本不同。",
    "parent_missing": "上级记录不存在。",
}


def result(code: str) -> dict[str, str]:
    """A result code with its meaning."""
    english = codes.meaning(code)
    return {"code": code, "en": english, "zh": CHINESE.get(code, english)}
