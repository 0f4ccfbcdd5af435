"""Chinese texts of `bubi bench network`; part of `chinese.CHINESE`."""

from typing import Final

BENCH: Final[dict[str, str]] = {
    "A network can lose one node from four nodes on.": "至少四个节点的网络才能承受失去一个节点。",
    "A single node has no links to delay.": "单个节点没有可延迟的链路。",
    "A soak runs once.": "耐久测试只运行一次。",
    "Bulk": "批量发送",
    "Choose accounts by a Zipf distribution of this exponent, such as 0.99.": (
        "按此指数（例如 0.99）的齐普夫分布选取账户。"
    ),
    "Delay of every link each way, such as 20ms.": "每条链路的单向延迟，例如 20ms。",
    "Free some space, or name another folder in TMPDIR.": "请腾出空间，或用 TMPDIR 指定其他目录。",
    "Greatest": "最大",
    "How long is sent; 20, in a soak 2700.": "发送持续的秒数；默认 20，耐久测试为 2700。",
    "Kill the leader before the load.": "在施加负载前杀死领导节点。",
    "Killed {name}.": "已杀死 {name}。",
    "Least": "最小",
    "Let the leader run a tenth of the time only.": "让领导节点只运行十分之一的时间。",
    "Measure a network of real nodes under load.": "用真实节点组成的网络在负载下测量。",
    "Median": "中位数",
    "Medians of {count} runs, with least and greatest": "{count} 次运行的中位数及最小、最大值",
    "Memory": "内存",
    "Overload": "过载",
    "Run {number} of {count}": "第 {number} 次运行，共 {count} 次",
    "Runs; medians and spread count.": "运行次数；取中位数并给出范围。",
    "Say either --crash or --slow.": "--crash 与 --slow 只能选其一。",
    "Say either --overload or --soak.": "--overload 与 --soak 只能选其一。",
    "Seconds sent before; 0, in a soak 900.": "预热发送的秒数；默认 0，耐久测试为 900。",
    "Send 2,000 per second for an hour and watch memory.": (
        "每秒发送 2,000 笔，持续一小时并观察内存。"
    ),
    "Send so many times the rate, then watch the recovery.": (
        "以该倍数的速率发送，然后观察恢复情况。"
    ),
    "Sending {rate} transactions per second.": "正在以每秒 {rate} 笔交易发送。",
    "Signing": "签名",
    "Singles": "逐笔发送",
    "The relay did not start.": "中继进程没有启动。",
    "The run may write {needed} GB to {path}, and {free} GB are free.": (
        "此次运行可能向 {path} 写入 {needed} GB，而可用空间为 {free} GB。"
    ),
    "Transactions per request; else 40 requests a second.": (
        "每个请求的交易数；默认每秒 40 个请求。"
    ),
    "Transactions per second; else short runs look for the highest.": (
        "每秒交易数；不给出时用短时运行寻找最高值。"
    ),
    "Verifying": "验证签名",
    "What is sent: transfer, issue, record, smallbank or multisig.": (
        "发送的内容：transfer（转账）、issue（发行）、record（存证）、smallbank（小额银行混合）"
        "或 multisig（多重签名）。"
    ),
    "{text} is no time between 0 and 10 s, such as 20ms.": (
        "{text} 不是 0 到 10 秒之间的时间，例如 20ms。"
    ),
}
