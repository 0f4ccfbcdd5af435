"""What an alarm says, in English and Chinese."""

from bubi.gateway.alarms.records import Alarm
from bubi.gateway.alarms.rules import Severity

TITLES = {
    "disk_low": ("The disk of {key} is almost full", "{key} 的磁盘即将用尽"),
    "disk_filling": ("The disk of {key} will be full within a day", "{key} 的磁盘将在一天内写满"),
    "fsync_slow": ("The disk of {key} is slow", "{key} 的磁盘写入缓慢"),
    "memory_low": ("{key} is short of memory", "{key} 内存不足"),
    "cpu_high": ("The processors of {key} are busy all the time", "{key} 的处理器持续繁忙"),
    "files_high": ("{key} has almost too many open files", "{key} 打开的文件数接近上限"),
    "clock_off": ("The clock of {key} differs from the others", "{key} 的时钟与其他节点有偏差"),
    "clock_far": ("The clock of {key} is wrong", "{key} 的时钟错误"),
    "restart_loop": ("{key} starts again and again", "{key} 反复重启"),
    "validator_down": ("The validator {key} is down", "验证节点 {key} 已停止"),
    "node_unreachable": ("The node {key} does not answer", "节点 {key} 没有应答"),
    "certificate_30": (
        "The certificate of {key} ends within 30 days",
        "{key} 的证书将在 30 天内到期",
    ),
    "certificate_7": (
        "The certificate of {key} ends within 7 days",
        "{key} 的证书将在 7 天内到期",
    ),
    "certificate_1": ("The certificate of {key} ends within a day", "{key} 的证书将在 1 天内到期"),
    "peer_misconduct": ("A peer of {key} breaks the protocol", "{key} 的某个对等节点违反协议"),
    "strangers": ("Many strangers try to connect to {key}", "大量陌生节点尝试连接 {key}"),
    "rtt_high": ("The connection {key} is slower than usual", "连接 {key} 比平时慢"),
    "quorum_lost": (
        "{key} sees too few validators to decide",
        "{key} 看到的验证节点不足以形成决定",
    ),
    "halted": ("Nothing is decided, says {key}", "{key} 报告网络无法形成决定"),
    "view_changes": ("Leaders are passed over often, says {key}", "{key} 报告主节点频繁切换"),
    "evidence": ("{key} saw a validator contradict itself", "{key} 发现有验证节点自相矛盾"),
    "divergence": (
        "{key} saw a validator sign two outcomes of one proposal",
        "{key} 发现有验证节点对同一提案签署了两种结果",
    ),
    "diverged": ("The ledger of {key} contradicts the network", "{key} 的账本与网络不一致"),
    "behind": ("{key} is behind the network", "{key} 落后于网络"),
    "finality_slow": ("Transactions at {key} become final slowly", "{key} 的交易确认缓慢"),
    "rejections": ("{key} refuses many transactions", "{key} 拒绝了大量交易"),
    "client_rejections": (
        "Many transactions of one client are refused or rejected: {key}",
        "某个客户端的大量交易被拒绝或执行失败：{key}",
    ),
    "subscription_lag": (
        "An event stream of a client does not keep up: {key}",
        "某个客户端的事件订阅严重落后：{key}",
    ),
    "client_unknown": (
        "Clients that the configuration does not name use the interface of {key}: {detail}",
        "配置中未登记的客户端正在使用 {key} 的接口：{detail}",
    ),
    "pool_old": ("Transactions at {key} wait too long", "{key} 的交易等待过久"),
    "api_errors": ("The interface of {key} fails often", "{key} 的接口频繁出错"),
    "proposal_unvoted": (
        "The proposal {key} ends soon, and votes are missing",
        "提案 {key} 即将到期，仍缺少投票",
    ),
    "supply_near_cap": ("The supply of {key} is near its cap", "资产 {key} 的供应量接近上限"),
    "issue_unusual": (
        "Unusually much of {key} was issued within an hour",
        "资产 {key} 一小时内增发异常",
    ),
    "defect": (
        "{key} met a defect, or amounts that do not add up, and dropped the transaction",
        "{key} 遇到内部缺陷或金额不守恒，已丢弃该交易",
    ),
    "index_behind": ("The index of the gateway is far behind", "网关的索引严重落后"),
    "node_alarm": ("The node reports: {key}", "节点报告：{key}"),
    "monitoring_blind": ("The gateway reaches no node", "网关无法连接任何节点"),
    "channel_failing": ("Messages through {key} do not arrive", "通过 {key} 的消息无法送达"),
}
"""Title of each rule: English, Chinese."""

SEVERITY_NAMES = {
    Severity.INFO: ("note", "提示"),
    Severity.WARNING: ("warning", "警告"),
    Severity.CRITICAL: ("critical", "严重"),
}
UNITS = {
    "": ("", ""),
    "blocks": ("blocks", "个区块"),
    "count": ("", "次"),
    "days": ("days", "天"),
    "hours": ("h left", "小时剩余"),
    "failures": ("failures", "次失败"),
    "ratio": ("", ""),
    "seconds": ("s", "秒"),
    "starts": ("starts", "次启动"),
    "times": ("times the usual", "倍于平时"),
    "votes": ("votes", "票"),
}
RESOLVED = ("over", "已恢复")
TEST = ("This is a test message", "这是一条测试消息")
VALUE = (
    "value: {value:g} {unit}, threshold: {threshold:g}",
    "当前值 {value:g} {unit}，阈值 {threshold:g}",
)
LANGUAGES = ("en", "zh")


def title(alarm: Alarm, language: str) -> str:
    """What is the matter, in a few words."""
    place = LANGUAGES.index(language)
    return TITLES[alarm.code][place].format(key=alarm.key, detail=alarm.detail)


def head(alarm: Alarm, language: str, *, resolved: bool) -> str:
    """The first line of a message: how bad, and what."""
    place = LANGUAGES.index(language)
    word = RESOLVED[place] if resolved else SEVERITY_NAMES[alarm.severity][place]
    return f"[Bubi] [{word}] {title(alarm, language)}"


def body(alarm: Alarm, language: str) -> str:
    """The rest of it."""
    place = LANGUAGES.index(language)
    unit = UNITS[alarm.unit][place]
    return VALUE[place].format(value=alarm.value, unit=unit, threshold=alarm.threshold)
