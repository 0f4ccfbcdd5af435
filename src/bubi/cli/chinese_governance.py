"""Chinese texts of governance, validators and evidence; part of `chinese.CHINESE`."""

from typing import Final

GOVERNANCE: Final[dict[str, str]] = {
    "A risk that you accept: no_fault_tolerance, or the name of a heavy validator.": (
        "你接受的风险：no_fault_tolerance，或权重过大的验证节点名称。"
    ),
    "A quorum takes it back with `bubi governance vote {proposal} --no`.": (
        "达到法定权重的组织可用 `bubi governance vote {proposal} --no` 将其撤回。"
    ),
    "Accepted risks": "已确认的风险",
    "Action": "处置",
    "Add or replace an organisation: its governance address, its authority's file.": (
        "新增或替换一个组织：其治理账户地址、其证书颁发机构的文件。"
    ),
    "After": "之后",
    "Any change in its JSON form; repeatable.": "以 JSON 形式给出的任意变更；可重复。",
    "Approving weight": "赞成权重",
    "Before": "之前",
    "Change under way": "进行中的变更",
    "Changes": "变更",
    "Days for which organisations may vote.": "各组织可投票的天数。",
    "Decide with another engine.": "改用另一共识引擎。",
    "Demo account or keystore file that signs; the first one acts; repeatable.": (
        "签名的演示账户或密钥库文件；第一个为发起者；可重复。"
    ),
    "Epoch": "纪元",
    "Evidence": "证据",
    "Expires": "截止",
    "File with a JSON list of changes.": "含变更 JSON 列表的文件。",
    "First digest": "第一个摘要",
    "For it, or against it.": "赞成或反对。",
    "Give --weight, --key or both.": "请给出 --weight、--key 或两者。",
    "Give NAME, --organisation and --key, or --request.": (
        "请给出 NAME、--organisation 和 --key，或给出 --request。"
    ),
    "Governance account": "治理账户",
    "Governance account, if its address is not that of --as.": (
        "治理账户（若其地址不是 --as 的地址）。"
    ),
    "Height before which it must not be in force.": "在此高度之前不得生效。",
    "Id of a proposal.": "提案编号。",
    "Id of the evidence.": "证据编号。",
    "In force from": "生效高度",
    "Its new public vote key.": "新的投票公钥。",
    "Its public vote key, as ed25519:HEX.": "其投票公钥，形如 ed25519:HEX。",
    "Its weight.": "其权重。",
    "Leave a part empty to go without it.": "不需要的部分留空即可。",
    "List the evidence that the ledger holds.": "列出账本记录的证据。",
    "List the proposals, newest first.": "列出提案，最新的在前。",
    "List the validators in force and those that come next.": "列出当前及下一组验证节点。",
    "Memo": "说明",
    "Name at least one change.": "请至少给出一项变更。",
    "Name of the validator.": "验证节点名称。",
    "Next validators": "下一组验证节点",
    "Not in the genesis: follow as an observer until the organisations agree.": (
        "不在创世区块中：在各组织表决同意之前作为观察节点同步。"
    ),
    "Not before height": "最早生效高度",
    "Nothing can be changed by vote: no governance key of {names}.": (
        "任何变更都无法通过表决：{names} 没有治理密钥。"
    ),
    "Open a proposal; every option is one change of it.": "发起提案；每个选项是其中一项变更。",
    "Organisations": "组织",
    "Proposal": "提案",
    "Proposal {proposal} is open.": "提案 {proposal} 已发起。",
    "Proposals": "提案",
    "Propose a new validator.": "提议新增验证节点。",
    "Propose another weight or key of a validator.": "提议变更验证节点的权重或密钥。",
    "Propose changes of the network, vote on them, see what is decided.": (
        "提议网络变更、投票、查看结果。"
    ),
    "Propose that a validator goes.": "提议移除验证节点。",
    "Proposed by": "提案方",
    "Protocol version": "协议版本",
    "Public key or keystore file whose account votes for the organisation.": (
        "代表该组织投票的账户的公钥或密钥库文件。"
    ),
    "Put a node on the black list.": "将节点列入黑名单。",
    "Put a node on the white list.": "将节点列入白名单。",
    "Raise the protocol version to this one.": "将协议版本升至此版本。",
    "Ready weight": "就绪权重",
    "Recorded at height": "记录高度",
    "Remove an organisation.": "移除一个组织。",
    "Reported by": "举报者",
    "Revoke a certificate, by its file or fingerprint.": "吊销证书（文件或指纹）。",
    "Round": "轮次",
    "Second digest": "第二个摘要",
    "Set a parameter; repeatable.": "设置参数；可重复。",
    "Share of the votes that decides.": "作出决定所需的票数比例。",
    "Show a proposal: what it changes, who voted how, when it is in force.": (
        "显示提案：变更内容、各方投票、生效时间。"
    ),
    "Show evidence against validators.": "显示针对验证节点的证据。",
    "Show the validators; propose others.": "显示验证节点；提议变更。",
    "Show what a validator signed twice.": "显示验证节点重复签名的内容。",
    "Subject": "事项",
    "Take a node off both lists.": "将节点从两个名单中移除。",
    "Take back an open proposal of one's organisation.": "撤回本组织的未决提案。",
    "The others vote with `bubi governance vote {proposal} --yes`.": (
        "其他组织用 `bubi governance vote {proposal} --yes` 投票。"
    ),
    "The request.json that `bubi network request` made there, instead.": (
        "或给出该处 `bubi network request` 生成的 request.json。"
    ),
    "Those that are closed or in force, too.": "也列出已结束或已生效的提案。",
    "Validator set": "验证节点集合",
    "Validators": "验证节点",
    "Vote": "投票",
    "Vote on a proposal for one's organisation.": "代表本组织对提案投票。",
    "Vote with `bubi governance vote {proposal} --yes`.": (
        "用 `bubi governance vote {proposal} --yes` 投票。"
    ),
    "Votes": "投票",
    "Votes needed": "所需票数",
    "Weight against": "反对权重",
    "What it changes": "变更内容",
    "Why, for the others to read.": "理由，供其他组织阅读。",
    "`--help` lists them.": "`--help` 可列出全部变更。",
    "`bubi peers` shows the ids of nodes.": "`bubi peers` 显示节点编号。",
    "alarm": "告警",
    "approved: validators get ready": "已通过：验证节点准备中",
    "evidence": "证据",
    "expired": "已过期",
    "goes after the change under way": "在进行中的变更之后移除",
    "goes at the next barrier": "在下一个纪元边界移除",
    "ignored": "忽略",
    "in force": "已生效",
    "not kept": "未保留",
    "is no member any more": "已不是成员",
    "kept: the set would not hold without it": "保留：缺少它集合将不成立",
    "lapsed: too few validators were ready": "已失效：就绪的验证节点不足",
    "open: organisations vote": "表决中",
    "rejected": "已否决",
    "vote on its removal": "就其移除进行表决",
    "withdrawn": "已撤回",
    "{path} is no certificate.": "{path} 不是证书。",
    "{path} is no request of a validator.": "{path} 不是验证节点的申请。",
    "{text} is no node id.": "{text} 不是节点编号。",
    "{text} is not NAME,GOVERNANCE,CERTIFICATE.": "{text} 不是 NAME,GOVERNANCE,CERTIFICATE。",
    "{text} is not NAME=NUMBER.": "{text} 不是 NAME=NUMBER。",
    "(none)": "（无）",
    "Ask an organisation to take an account in.": "请求某组织接纳一个账户。",
    "Asks to join": "请求加入",
    "Leave the organisation of an account, or stop asking for one.": (
        "让账户退出所属组织，或撤回加入请求。"
    ),
    "Name of the organisation.": "组织名称。",
    "Quota": "配额",
    "Quota of its organisation": "所属组织的配额",
    "Quota without one": "无组织账户的共同配额",
    "Take an account into one's organisation, or let it go.": "将账户纳入本组织，或将其移出。",
    "Take it in if it asks, or let it go.": "若其提出请求则接纳，否则移出。",
    "The account, if its address is not that of --as.": "账户地址（若与 --as 的地址不同）。",
    "{used} of {limit} operations until {time}": "截至 {time} 已用 {used} / {limit} 次操作",
}
