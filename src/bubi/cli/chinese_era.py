"""Chinese texts of a new era; part of `chinese.CHINESE`."""

from typing import Final

ERA: Final[dict[str, str]] = {
    "Check the files of a new era and show who has signed off.": (
        "检查新时期的文件，并显示谁已签署。"
    ),
    "Compare the height with every node that is left; the greatest one counts.": (
        "请与所有剩余节点比较高度；以最大者为准。"
    ),
    "End of the chain": "链的终点",
    "Every organisation now runs `bubi network era approve {path}`.": (
        "现在每个组织运行 `bubi network era approve {path}`。"
    ),
    "Give the new file in {path} to the others.": "请把 {path} 中的新文件交给其他组织。",
    "Go on with other validators after a network lost its quorum for good.": (
        "网络永久失去法定票数后，以新的验证节点继续。"
    ),
    "Hold a new era against one's own stopped node, and sign it off.": (
        "用自己已停止的节点核对新时期，并签署。"
    ),
    "Keystore file that signs for the governance account; repeatable.": (
        "为治理账户签名的密钥库文件；可重复。"
    ),
    "Make the genesis that goes on from the end of a chain.": "制作从某条链终点继续的创世文件。",
    "Needed": "所需",
    "New era": "新时期",
    "Sign-offs": "签署情况",
    "Signed off": "已签署",
    "The end of the old chain is not proven by {path}: {reason}": (
        "{path} 不能证明旧链的终点：{reason}"
    ),
    "The folder that `era create` made.": "`era create` 生成的文件夹。",
    "The folder that `era export` made.": "`era export` 生成的文件夹。",
    "The organisation's node of the old chain.": "本组织在旧链上的节点。",
    "The proof in {path} is of another block.": "{path} 中的证明属于另一个区块。",
    "This chain continues the chain {chain}, whose validators lost their quorum; proofs from "
    "before need the trust file of that chain.": (
        "本链延续链 {chain}（其验证节点已永久失去法定票数）；此前的证明需使用那条链的信任文件。"
    ),
    "Trust file of the old chain, to check its last block.": (
        "旧链的信任文件，用于检查其最后区块。"
    ),
    "Trust file of the old chain; else that beside the node.": (
        "旧链的信任文件；默认为节点旁的那个。"
    ),
    "Use the trust file that the organisation always had.": "请使用本组织一直持有的信任文件。",
    "Warning: this node voted for block {height}, which the new era leaves out; a lost "
    "validator may have shown receipts of it.": (
        "警告：本节点曾为区块 {height} 投票，而新时期不包含它；丢失的验证节点可能已出示其回执。"
    ),
    "Where the files go; a new folder.": "文件的存放位置；须为新文件夹。",
    "Write the end of a stopped node's chain: last block and state.": (
        "写出已停止节点的链终点：最后区块与状态。"
    ),
}
