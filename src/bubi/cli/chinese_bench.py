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
    "95 % committed while sent, 99 % within 2 s": "发送期间提交 95 %，且 99 % 在 2 秒内",
    "Also write a page: figures in words, verdicts, command and machine.": (
        "另外写出一页：用文字说明的数据、结论、命令与机器。"
    ),
    "Figure": "指标",
    "Figures": "数据",
    "Floor": "下限",
    "Goal": "目标",
    "Machine": "机器",
    "Measured": "实测",
    "Met": "结论",
    "No page can be written to {path}.": "无法把页面写入 {path}。",
    "No promise fits this measurement.": "没有与此次测量对应的承诺。",
    "Promised": "承诺",
    "TLS between nodes": "节点之间使用 TLS",
    "V: signatures verified by all cores, before": "V：测量前所有核心每秒验证的签名数",
    "Zipf exponent; without one, uniform": "齐普夫指数；没有则均匀选取",
    "a transaction": "一笔交易",
    "accounts": "账户数",
    "blocks with transactions": "含交易的区块数",
    "committed as a share of V / nodes": "提交速率占 V / 节点数之比",
    "committed per second": "每秒提交",
    "committed, as the blocks say": "按区块统计的提交速率",
    "cores": "核心数",
    "delay of each link each way": "每条链路的单向延迟",
    "engine": "共识引擎",
    "floor": "达到下限",
    "from due to final, 95 % within": "从应发送到最终确认，95 % 不超过",
    "from due to final, 99 % within": "从应发送到最终确认，99 % 不超过",
    "from due to final, half of them within": "从应发送到最终确认，半数不超过",
    "goal": "达到目标",
    "goodput / peak": "有效速率 / 峰值",
    "goodput / peak, least and greatest": "有效速率 / 峰值，最小与最大",
    "greatest memory of each node": "各节点的最大内存",
    "growth of memory of each node": "各节点的内存增长",
    "growth of memory, worst node": "内存增长，最差的节点",
    "longest delay of the generator itself": "负载生成器自身的最大延误",
    "measured for": "测量时长",
    "memory of each node afterwards": "之后各节点的内存",
    "memory of each node before": "之前各节点的内存",
    "memory, peak / before": "内存，峰值 / 之前",
    "missed": "未达到",
    "nodes": "节点数",
    "normal again after": "恢复正常用时",
    "not final": "未最终确认",
    "not known": "未知",
    "offered": "发送速率",
    "offered / peak": "发送速率 / 峰值",
    "one block to the next": "出块间隔",
    "p50, promised at 100 per second": "p50（承诺针对每秒 100 笔）",
    "p99, promised at half of the highest rate": "p99（承诺针对最高速率的一半）",
    "peak": "峰值",
    "processor time of all nodes per 1,000": "所有节点每 1,000 笔的处理器时间",
    "processor time of signing per 1,000": "签名每 1,000 笔的处理器时间",
    "processor time of the generator per 1,000": "负载生成器每 1,000 笔的处理器时间",
    "refused, by code": "被拒绝的，按代码",
    "runs; single numbers are medians": "运行次数；单个数值为中位数",
    "share of V": "占 V 之比",
    "share of V / 4": "占 V / 4 之比",
    "signatures verified by each node": "各节点验证的签名数",
    "state roots of all nodes equal": "所有节点的状态根一致",
    "syncs to disk of each node": "各节点的落盘同步次数",
    "syncs to disk per block and node": "每个节点每个区块的落盘同步次数",
    "the highest rate, found by short runs": "最高速率，由短时运行找到",
    "the leader ran a tenth of the time": "领导节点只运行十分之一的时间",
    "the leader was killed before": "此前杀死了领导节点",
    "transactions per request": "每个请求的交易数",
    "view changes": "视图切换次数",
    "warm-up": "预热",
    "watched afterwards for": "之后观察时长",
    "why, by code": "原因，按代码",
    "workload": "负载类型",
    "written to disk per transaction and node": "每个节点每笔交易写入磁盘",
    "{count} nodes, {engine}, {workload}: {rate} committed per second": (
        "{count} 个节点，{engine}，{workload}：每秒提交 {rate} 笔"
    ),
}
