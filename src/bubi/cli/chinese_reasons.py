"""Chinese texts of the reasons why a node does not work."""

from typing import Final

REASONS: Final[dict[str, str]] = {
    "CometBFT gave something that the ledger refuses": "CometBFT 给出的内容被账本拒绝",
    "CometBFT is not connected": "CometBFT 未连接",
    "Install a version that has the engine in force; the ledger is kept.": (
        "请安装支持当前生效引擎的版本；账本会保留。"
    ),
    "an approved change needs a newer version of this node": "已通过的变更需要更新本节点的版本",
    "at height {height} of {target}, fetching the rest": (
        "当前高度 {height}，目标高度 {target}，正在获取其余区块"
    ),
    "height {height} is not decided though transactions wait, view {view}: {votes}": (
        "有交易等待，但高度 {height} 迟迟未决定，视图 {view}：{votes}"
    ),
    "no votes were heard": "没有收到投票",
    "the disk is full": "磁盘已满",
    "the node failed": "节点出现故障",
    "the node fetches blocks that others have": "节点正在获取其他节点已有的区块",
    "the node is starting": "节点正在启动",
    "the node is stopping": "节点正在停止",
    "the two records of its votes disagree": "节点的两份投票记录不一致",
    "this node computed another outcome than the others": "本节点算出的结果与其他节点不同",
    "this version does not know the engine in force": "此版本不支持当前生效的共识引擎",
    "too few votes can be reached": "可达的投票不足",
    "votes of weight {quorum} are needed and {present} are there; missing: {names}": (
        "需要权重 {quorum} 的投票，现有 {present}；缺少：{names}"
    ),
    "{name} {phase} in view {view}": "{name} 在视图 {view} 投 {phase}",
    "{vote} with outcome {outcome}": "{vote}，结果 {outcome}",
}
