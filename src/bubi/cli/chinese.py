"""Chinese texts by their English ones. `messages._` looks them up."""

from typing import Final

from bubi.cli.chinese_bench import BENCH
from bubi.cli.chinese_era import ERA
from bubi.cli.chinese_governance import GOVERNANCE
from bubi.cli.chinese_reasons import REASONS

CHINESE: Final[dict[str, str]] = {
    **BENCH,
    **ERA,
    **GOVERNANCE,
    **REASONS,
    "(absent)": "（不存在）",
    "(not on the ledger)": "（账本上不存在）",
    "--follow and --json do not go together.": "--follow 与 --json 不能同时使用。",
    "Reading keys, then the ledger": "读取密钥，然后读取账本",
    "Reading tables": "读取数据表",
    "Removing tables": "删除数据表",
    "Starting nodes": "启动节点",
    "`--help` behind a command shows what it takes.": "在命令后加 `--help` 可查看其参数。",
    "`bubi account list` names the accounts here.": "`bubi account list` 列出这里的账户。",
    "`bubi down`, then `bubi up`.": "先 `bubi down`，再 `bubi up`。",
    "`bubi logs` may show why; `bubi up` starts it.": (
        "`bubi logs` 或可查看原因；`bubi up` 可启动。"
    ),
    "`bubi logs` shows why; `bubi up` starts it again.": (
        "`bubi logs` 可查看原因；`bubi up` 可再次启动。"
    ),
    "`bubi node check` lists all damage; first keep a copy of the folder.": (
        "`bubi node check` 列出全部损坏；请先保留目录副本。"
    ),
    "`bubi node check` looks for damage.": "`bubi node check` 可查找损坏。",
    "`bubi reset` and `bubi up` start anew.": "用 `bubi reset` 和 `bubi up` 重新开始。",
    "`bubi reset` removes it; or name another folder with --data.": (
        "`bubi reset` 可将其删除；或用 --data 指定其他目录。"
    ),
    "`bubi reset` stops and removes it.": "`bubi reset` 会停止并删除它。",
    "`bubi status` names the trust file of the development network.": (
        "`bubi status` 会给出开发网络的信任文件。"
    ),
    "`bubi up` cleans up and starts anew.": "`bubi up` 会清理并重新启动。",
    "`bubi up` starts it again.": "`bubi up` 可再次启动。",
    "`bubi why` explains it.": "`bubi why` 会说明原因。",
    "A development network runs native engines only.": "开发网络只运行内置的共识引擎。",
    "A higher threshold survives more liars and fewer silent members.": (
        "门槛越高，能容忍的作恶成员越多，能容忍的沉默成员越少。"
    ),
    "A name has letters, digits, hyphens and underscores.": (
        "名称只能包含字母、数字、连字符和下划线。"
    ),
    "A new or empty folder.": "新目录或空目录。",
    "A node without a vote.": "没有投票权的节点。",
    "A node's address; else that of the running network.": "节点地址；默认为正在运行的网络。",
    "A password is needed.": "需要密码。",
    "A start in {path} never finished.": "{path} 中有一次未完成的启动。",
    "Account": "账户",
    "Accounts": "账户",
    "Accounts among which is transferred.": "参与转账的账户数。",
    "Add a signature to a transaction file; needs no network.": "为交易文件添加签名；不需要网络。",
    "Address": "地址",
    "Address ({kind})": "地址（{kind}）",
    "Address of this machine that other nodes connect to.": "本机供其他节点连接的地址。",
    "Another command is changing the network in {path}.": "另一个命令正在更改 {path} 中的网络。",
    "Another network answers at {url}.": "{url} 上应答的是另一个网络。",
    "Ask `bubi tx show`, or submit the same file again: it is executed at most once.": (
        "用 `bubi tx show` 查询，或再次提交同一文件：它最多执行一次。"
    ),
    "Ask what a transaction would do if it were next.": "查询交易若立即执行会有何结果。",
    "Ask the other members which one they have.": "请询问其他成员他们的是哪一个。",
    "Asset": "资产",
    "Asset id in hex, or ISSUER:CODE.": "资产的十六进制编号，或 发行者：代码。",
    "Assets held": "持有资产数",
    "Balance": "余额",
    "Balances": "余额",
    "Blocks per round; 20, of the national suite 4.": "每轮的区块数；默认 20，国密套件为 4。",
    "Bubi, an enterprise ledger: several organisations keep one ledger together.": (
        "Bubi 企业账本：多个机构共同维护同一个账本。"
    ),
    "Build, sign, submit and read transactions.": "构造、签名、提交和查看交易。",
    "Bytes in hex, a file, or -.": "十六进制、文件，或 -。",
    "Chain id": "链标识",
    "Check a genesis against one's own request and configure the node.": (
        "核对创世文件与自己的申请，并配置节点。"
    ),
    "Check proofs without a network.": "无需网络即可核验证明。",
    "Check the password; nothing was changed.": "请检查密码；未作任何更改。",
    "Check the path, its permissions and the space on its disk.": "请检查路径、权限和磁盘空间。",
    "Cipher of the keystore.": "密钥库的加密算法。",
    "Code": "代码",
    "Collection file of the transaction.": "交易的签名收集文件。",
    "Command": "命令",
    "Connections that send single transactions.": "发送单笔交易的连接数。",
    "Consensus engine.": "共识引擎。",
    "Consensus engine; solo for one node, else pbft.": "共识引擎；单节点为 solo，否则为 pbft。",
    "Consensus engine; solo for one validator, else pbft.": (
        "共识引擎；单个验证节点为 solo，否则为 pbft。"
    ),
    "Ctrl-C stops the network.": "按 Ctrl-C 停止网络。",
    "Damage": "损坏",
    "Data folder": "数据目录",
    "Data folder; else BUBI_HOME, else .bubi here.": (
        "数据目录；默认 BUBI_HOME，再默认当前目录下的 .bubi。"
    ),
    "Demo account or keystore file that signs; repeatable.": (
        "签名的演示账户或密钥库文件；可重复。"
    ),
    "Demo account that asks for it.": "提出申请的演示账户。",
    "Demo account, keystore file or address.": "演示账户、密钥库文件或地址。",
    "Demo accounts": "演示账户",
    "describes the interface for programs": "描述供程序使用的接口",
    "Development network": "开发网络",
    "Development network {name}": "开发网络 {name}",
    "Digest": "摘要",
    "Distinct signatures per round.": "每轮不同签名的数量。",
    "Do not ask.": "不询问。",
    "docs/operating/cometbft.md shows a network with CometBFT.": (
        "使用 CometBFT 的网络见 docs/operating/cometbft.md。"
    ),
    "Engine": "引擎",
    "Engine that is planned; cometbft needs a key of its own.": (
        "计划使用的共识引擎；cometbft 需要一个自己的密钥。"
    ),
    "Error:": "错误：",
    "expired: never executed, and never will be": "过期：未执行，今后也不会执行",
    "Field": "项目",
    "File": "文件",
    "File to write; else FILE is replaced.": "要写入的文件；默认替换 FILE。",
    "File to write; else standard output.": "要写入的文件；默认标准输出。",
    "final: everything happened, for ever": "最终：全部生效，永久有效",
    "Findings": "发现的问题",
    "Folder of the organisation's authority, if it has one already.": (
        "机构签发者的目录（如果已有）。"
    ),
    "Folder with every member's request.": "存放各成员申请的目录。",
    "For development only: the password of the demo keystores is in {path} (mode 0600).": (
        "仅供开发：演示密钥库的密码在 {path} 中（权限 0600）。"
    ),
    "Give operations with --operation or with --file, not both.": (
        "请用 --operation 或 --file 给出操作，二者只能选一。"
    ),
    "Give the folder {path} to every member; all compare the chain id by another way.": (
        "把目录 {path} 交给每个成员；各方再通过其他途径核对链标识。"
    ),
    "Go on with new lines until Ctrl-C.": "持续显示新行，直到 Ctrl-C。",
    "Hash": "哈希",
    "Hash of the transaction.": "交易哈希。",
    "Hash suite, fixed for ever.": "哈希套件，永久固定。",
    "Height": "高度",
    "Holders at height {height}": "高度 {height} 的持有者",
    "How many lines.": "行数。",
    "Id": "编号",
    "If the reason is not plain from the log, run `bubi doctor`.": (
        "如果日志看不出原因，请运行 `bubi doctor`。"
    ),
    "Install Python 3.11 or newer.": "请安装 Python 3.11 或更新版本。",
    "Is the network running? `bubi status` shows it; `bubi up` starts one.": (
        "网络在运行吗？`bubi status` 可查看，`bubi up` 可启动。"
    ),
    "Let a stopped validator sign again whose guard fell silent; you answer for it.": (
        "让签名守卫已静默的已停止验证者恢复签名；后果由您负责。"
    ),
    "Misdeeds": "不当行为",
    "Newest height that anybody holds; asked for if not given.": (
        "任何人所持有的最新高度；未给出时会询问。"
    ),
    "The guard was not recovered: {reason}.": "签名守卫未恢复：{reason}。",
    "Recovered: nothing is signed up to round {round} of height {height}.": (
        "已恢复：在高度 {height} 第 {round} 轮及以前不再签名。"
    ),
    "The guard is silent: {reason}": "签名守卫已静默：{reason}",
    (
        "A validator that signs twice for one height breaks the ledger for everybody who "
        "trusts it. Ask every other node, and whoever may hold a receipt, for the newest "
        "height. The log here ends at height {height}."
    ): (
        "验证者若对同一高度签名两次，将破坏所有信任者的账本。请向其他每个节点以及"
        "可能持有回执的每个人询问最新高度。本机日志止于高度 {height}。"
    ),
    "Type the newest height that anybody holds": "请输入任何人所持有的最新高度",
    "It would end as {code}: {text}": "结果将为 {code}：{text}",
    "Nobody has signed it yet: it was judged as if everybody had.": (
        "尚无人签名：按所有人均已签名判断。"
    ),
    "It would remove {path}.": "这会删除 {path}。",
    "Its port; else that of the request.": "其端口；默认为申请中的端口。",
    "JSON list of operations instead; - reads standard input.": (
        "改用操作的 JSON 列表；- 表示标准输入。"
    ),
    "Key": "密钥",
    "Key of the record.": "记录的键。",
    "Keystore": "密钥库",
    "Keystore file.": "密钥库文件。",
    "Kind": "类型",
    "Kind of the network.": "网络类型。",
    "Lapsed": "已失效",
    "Language of the texts: en or zh.": "文字语言：en 或 zh。",
    "Last heard": "最后收到消息",
    "Last vote": "最后投票",
    "Ledger": "账本",
    "Less than 1 GiB is free on the disk of {path}.": "{path} 所在磁盘剩余空间不足 1 GiB。",
    "Liars survived": "可容忍的作恶数",
    "List every result code with its meaning.": "列出所有结果代码及其含义。",
    "List the accounts of the development network with their state on the ledger.": (
        "列出开发网络的账户及其在账本上的状态。"
    ),
    "List who holds an asset now, all at one height.": "列出资产的当前持有者（同一高度）。",
    "Load offered, as a share of V.": "提供的负载，占 V 的比例。",
    "Look at `bubi logs`, then stop the node and run `bubi node check`.": (
        "查看 `bubi logs`，然后停止节点并运行 `bubi node check`。"
    ),
    "Look for a running node with `bubi doctor`; `bubi reset` removes everything here.": (
        "用 `bubi doctor` 查找仍在运行的节点；`bubi reset` 会删除这里的一切。"
    ),
    "Look for what keeps the network from working, with the cures.": (
        "查找妨碍网络工作的问题及解决办法。"
    ),
    "Make a new key in a new keystore.": "创建新密钥和新密钥库。",
    "Make a node's keys and its public request to found a network.": (
        "生成节点的密钥和用于组建网络的公开申请。"
    ),
    "Make all keys here and mark the genesis as development.": (
        "在此生成全部密钥，并把创世标记为开发用途。"
    ),
    "Make networks.": "创建网络。",
    "Make room on the disk of the data folder; it goes on then.": (
        "请为数据目录所在磁盘腾出空间；之后节点自行继续。"
    ),
    "Make room, or name another folder with --data.": "请腾出空间，或用 --data 指定其他目录。",
    "Make the folder of a new network's only validator; nothing is overwritten.": (
        "创建新网络唯一验证节点的目录；不覆盖任何内容。"
    ),
    "Make the public genesis of a network from its members' requests.": (
        "用各成员的申请制作网络的公开创世文件。"
    ),
    "Make, import and show keystores.": "创建、导入和查看密钥库。",
    "Make, run and check one node.": "创建、运行和检查单个节点。",
    "Making {count} keys and signatures.": "正在生成 {count} 个密钥和签名。",
    "Meaning": "含义",
    "Sending them through the bulk door.": "正在通过批量入口发送。",
    "Sending single transactions.": "正在逐笔发送交易。",
    "Measure one real node end to end: bulk door and single requests.": (
        "端到端测量一个真实节点：批量入口和单笔请求。"
    ),
    "Measure this machine.": "测量本机性能。",
    "Missing": "缺席者",
    "Most holders to list.": "最多列出的持有者数。",
    "Move {path} to a safe place: it issues certificates.": (
        "请把 {path} 移到安全的地方：它用于签发证书。"
    ),
    "N must lie between 1 and 2^32 - 1.": "N 必须在 1 到 2^32 - 1 之间。",
    "Name": "名称",
    "Name another folder with --data.": "请用 --data 指定其他目录。",
    "Name here; the ledger knows only the address.": "本地名称；账本只认地址。",
    "Name of the namespace, or its id in hex.": "命名空间的名称或十六进制编号。",
    "Name of the network.": "网络名称。",
    "Name of the node.": "节点名称。",
    "Name or address of the account that asks.": "发起账户的名称或地址。",
    "Networks and nodes": "网络与节点",
    "New account": "新账户",
    "New development network": "新开发网络",
    "New network": "新网络",
    "New node": "新节点",
    "no": "否",
    "No damage found.": "未发现损坏。",
    "No document was compared. Give it with --document to check that it is this one.": (
        "未比对文件。请用 --document 给出文件，以核对是否为该文件。"
    ),
    "No node answers at {url}.": "{url} 上没有节点应答。",
    "No port is free on this machine.": "本机没有空闲端口。",
    "No validator may fail: a single one that is down stops the network.": (
        "不容许任何验证节点失效：只要有一个停止，网络就停止。"
    ),
    "Node to connect to first; repeatable.": "首先连接的节点；可重复。",
    "Nodes": "节点",
    "Not proven, though the answer shows it: {names}.": "未证明，尽管答复中有：{names}。",
    "Nodes known at {url}": "{url} 已知的节点",
    "Not proven: who wrote the document, and whether what it says is true.": (
        "未证明：文件由谁撰写，以及其内容是否属实。"
    ),
    "Not valid:": "无效：",
    "Nothing found.": "未发现问题。",
    "Nothing was removed.": "未删除任何内容。",
    "Nothing was running in {path}.": "{path} 中没有正在运行的内容。",
    "Number": "编号",
    "Number of nodes.": "节点数。",
    "Number of nodes; 4 if new.": "节点数；新建时为 4。",
    "Number of validators (or sum of their weights).": "验证节点数（或权重之和）。",
    "Offset": "偏移",
    "One node end to end": "单节点端到端",
    "One of ed25519, secp256k1, p256, sm2.": "ed25519、secp256k1、p256、sm2 之一。",
    "Only this node.": "仅此节点。",
    "Open an account on the ledger with a new key in a keystore.": (
        "在账本上开立账户，新密钥存入密钥库文件。"
    ),
    "Open and show accounts.": "开立和查看账户。",
    "Opening accounts and signing transactions.": "正在开立账户并签署交易。",
    "opens an account with a new key": "用新密钥开立账户",
    "Operation": "操作",
    "Operation in its JSON form; repeatable.": "JSON 形式的操作；可重复。",
    "Organisation": "机构",
    "Others may read {path}.": "其他用户可以读取 {path}。",
    "Outcome": "结果",
    "Password": "密码",
    "Password of {path}": "{path} 的密码",
    "pending: waits for its block": "待定：等待出块",
    "Phase": "阶段",
    "Pipe it in with --password-stdin.": "请用 --password-stdin 从管道输入。",
    "PKCS#8 file; if encrypted, its password is asked for.": "PKCS#8 文件；如已加密会询问其密码。",
    "Place in a lane instead of a random id.": "用通道中的序号代替随机编号。",
    "Port of CometBFT's interface on loopback.": "本机上 CometBFT 接口的端口。",
    "Port of the interface on loopback.": "本机接口端口。",
    "Port {port} is taken and {path} does not name it once.": (
        "端口 {port} 已被占用，且 {path} 中没有唯一写明它。"
    ),
    "Print one JSON object for programs instead of text.": (
        "输出供程序使用的一个 JSON 对象，而非文字。"
    ),
    "Process": "进程",
    "Process {pid} runs a node of this folder and is not recorded.": (
        "进程 {pid} 正在运行此目录的节点，但没有记录。"
    ),
    "Proven: after block {height}, decided at {time}, cell {key} of owner {owner} is {value}.": (
        "已证明：在第 {height} 号区块（共识时间 {time}）之后，所有者 {owner} 的单元 {key} 为 {va"
        "lue}。"
    ),
    "Proven: after block {height}, decided at {time}, {owner} has exactly {count} cells.": (
        "已证明：在第 {height} 号区块（共识时间 {time}）之后，{owner} 恰有 {count} 个单元。"
    ),
    "Proven: block {height} was decided at {time}. Its state root is {root}.": (
        "已证明：第 {height} 号区块于 {time} 确定，其状态根为 {root}。"
    ),
    "Proven: the account {author} had the digest of the document {path} recorded in "
    "block {height} of the ledger {chain}. The block was decided at {time} with the "
    "votes of {signers} (weight {weight}, quorum {quorum}).": (
        "已证明：账户 {author} 将文件 {path} 的摘要记录在账本 {chain} 的第 {height} 号区块中。该"
        "区块于 {time} 由 {signers} 投票确定（权重 {weight}，法定数 {quorum}）。"
    ),
    "Proven: transaction {transaction} ended as {code} in block {height}, decided at {time}.": (
        "已证明：交易 {transaction} 在第 {height} 号区块（共识时间 {time}）中的结果为 {code}。"
    ),
    "Public key": "公钥",
    "Public key whose account exists from the start; repeatable.": (
        "从一开始就有账户的公钥；可重复。"
    ),
    "Put an existing PKCS#8 key (PEM or DER) into a new keystore.": (
        "把已有的 PKCS#8 密钥（PEM 或 DER）存入新密钥库。"
    ),
    "Python is older than 3.11.": "Python 版本低于 3.11。",
    "Quorum": "法定数",
    "Ratio": "比例",
    "Read every file of a stopped node and report damage; changes nothing.": (
        "读取已停止节点的每个文件并报告损坏；不作更改。"
    ),
    "Read the password from the first line of standard input.": "从标准输入的第一行读取密码。",
    "Ready": "就绪",
    "Reason": "原因",
    "Reasons": "原因",
    "Receipt of a document, or a proof as JSON, hex or bytes.": (
        "文件回执，或 JSON、十六进制、字节形式的证明。"
    ),
    "Record": "记录",
    "Refuse a genesis of another chain id.": "拒绝其他链标识的创世文件。",
    "rejected: nothing of it happened": "拒绝：全部未生效",
    "Removed {path}.": "已删除 {path}。",
    "Removing what an unfinished start left in {path}.": (
        "正在清除 {path} 中未完成启动留下的内容。"
    ),
    "Request": "申请",
    "Reserved": "预留",
    "Result": "结果",
    "Result codes": "结果代码",
    "Return once it runs; `bubi down` stops it.": "启动后立即返回；`bubi down` 可停止。",
    "Role": "角色",
    "Round trip": "往返时间",
    "Rounds; the median counts.": "轮数；取中位数。",
    "Run `chmod 600 {path}`.": "请运行 `chmod 600 {path}`。",
    "Run `make setup`.": "请运行 `make setup`。",
    "Run a node in front until it is told to stop (SIGTERM or Ctrl-C).": (
        "在前台运行节点，直到被要求停止（SIGTERM 或 Ctrl-C）。"
    ),
    "Say either --requests DIR or --dev.": "请指定 --requests 目录 或 --dev 之一。",
    "Say so with --yes.": "请加上 --yes 确认。",
    "Seconds for which it may be decided.": "有效秒数。",
    "Seconds to wait at most.": "最多等待的秒数。",
    "Send {file} to whoever makes the genesis. Keep everything else.": (
        "把 {file} 发给制作创世文件的人。其余文件请自行保管。"
    ),
    "Set another port there.": "请在其中设置其他端口。",
    "Share of the votes that decides; at least 2/3.": "作出决定所需的票数比例；至少三分之二。",
    "Show a record: digest, author, time, parents.": "查看记录：摘要、作者、时间、来源。",
    "Show a transaction as JSON, from a file, hex or standard input (-).": (
        "把文件、十六进制或标准输入（-）中的交易显示为 JSON。"
    ),
    "Show an account: signers, balances, data, as the ledger has them.": (
        "查看账本上的账户：签名者、余额、数据。"
    ),
    "Show assets.": "查看资产。",
    "Show records.": "查看存证记录。",
    "Show the definition and the supply of an asset.": "查看资产的定义和总量。",
    "Show the nodes' logs.": "查看节点日志。",
    "Show the public key and the address of a keystore; no password needed.": (
        "查看密钥库的公钥和地址；不需要密码。"
    ),
    "Show what became of a transaction.": "查看交易的结果。",
    "Show what runs, where, and how far it is.": "查看正在运行的内容、位置和进度。",
    "shows the demo accounts as the ledger has them": "查看演示账户在账本上的状态",
    "Signature algorithm.": "签名算法。",
    "Signatures per call of the core.": "每次调用内核验证的签名数。",
    "Signed by": "签名者",
    "Signers": "签名者",
    "Silent members survived": "可容忍的沉默数",
    "Since": "自何时起",
    "Single transactions sent as JSON.": "以 JSON 单笔发送的交易数。",
    "Spread the validators over more organisations.": "请把验证节点分散到更多机构。",
    "standard or national.": "standard（国际）或 national（国密）。",
    "Start it with `bubi node run {path}`.": "用 `bubi node run {path}` 启动。",
    "Start it with `bubi up --data {path}`.": "用 `bubi up --data {path}` 启动。",
    "Start one with `bubi up`, or name its folder with --data.": (
        "用 `bubi up` 启动，或用 --data 指定其目录。"
    ),
    "Start only this node of those that are down.": "只启动已停止节点中的这一个。",
    "Start the development network, or what is down of it.": (
        "启动开发网络，或启动其中已停止的部分。"
    ),
    "Start the nodes {names}, or mend the links to them: `bubi peers`.": (
        "请启动节点 {names}，或修复与它们的连接：`bubi peers`。"
    ),
    "State": "状态",
    "Status": "状态",
    "Stop only this node.": "只停止此节点。",
    "Stop the development network and remove its data.": "停止开发网络并删除数据。",
    "Stop the development network; its data stays.": "停止开发网络；数据保留。",
    "Stop the network and remove {path}?": "停止网络并删除 {path}？",
    "Stopped: {names}. The data is kept; `bubi up` continues it.": (
        "已停止：{names}。数据已保留；`bubi up` 可继续。"
    ),
    "Stopping.": "正在停止。",
    "Submit a signed transaction and wait for its outcome.": "提交已签名的交易并等待结果。",
    "Text for the application.": "供应用使用的文字。",
    "The account was closed at height {height}.": "该账户已在高度 {height} 关闭。",
    "The compiled core is not installed ({reason}).": "尚未安装编译内核（{reason}）。",
    "The compiled core is not installed.": "尚未安装编译内核。",
    "The document that the receipt is about.": "回执所指的文件。",
    "The file must hold a JSON list of operations.": "文件必须是操作的 JSON 列表。",
    "The file {path} is missing.": "缺少文件 {path}。",
    "The folder that `create` made.": "`create` 生成的目录。",
    "The folder that `request` made.": "`request` 生成的目录。",
    "The genesis in {path} has the chain id {found}.": "{path} 中创世文件的链标识是 {found}。",
    "The ledger of one node": "单个节点的账本",
    "The network decides. Height {height}.": "网络正常出块。高度 {height}。",
    "The network does not decide": "网络没有出块",
    "The network here has {nodes} nodes and the engine {engine}.": (
        "此处的网络有 {nodes} 个节点，共识引擎为 {engine}。"
    ),
    "The network in {path} is stopped.": "{path} 中的网络已停止。",
    "The network is already running.": "网络已在运行。",
    "The node asked is behind and fetches blocks up to height {target}.": (
        "所询问的节点落后，正在获取直到高度 {target} 的区块。"
    ),
    "The node runs, and a transaction did not become final: {reason}": (
        "节点在运行，但交易未能最终确认：{reason}"
    ),
    "The node {name} (process {pid}) does not end.": "节点 {name}（进程 {pid}）没有退出。",
    "The node {name} did not start. The end of its log:": "节点 {name} 未能启动。其日志末尾：",
    "The node {name} does not answer at {url}.": "节点 {name} 在 {url} 没有应答。",
    "The node {name} ended by itself.": "节点 {name} 自行结束了。",
    "The node {name} ended by itself. The end of its log:": "节点 {name} 自行退出。其日志末尾：",
    "The node {name} is not ready: {why}.": "节点 {name} 未就绪：{why}。",
    "The node {name} was started and is gone.": "节点 {name} 启动后已退出。",
    "The node's config.toml, or its folder.": "节点的 config.toml 或其目录。",
    "The node's two records of its votes disagree. Keep its data folder and ask for help.": (
        "节点的两份投票记录不一致。请保留其数据目录并寻求帮助。"
    ),
    "The nodes computed different outcomes: compare their versions and logs.": (
        "各节点算出了不同的结果：请比较它们的版本和日志。"
    ),
    "The nodes that a node knows, and its connections to them.": "一个节点已知的节点及其连接。",
    "The password is empty.": "密码为空。",
    "The proof is valid": "证明有效",
    "The state file {path} is damaged ({reason}).": "状态文件 {path} 已损坏（{reason}）。",
    "There are more; raise --limit.": "还有更多；请增大 --limit。",
    "There is an account {name} already.": "账户 {name} 已存在。",
    "There is no algorithm {name}.": "没有名为 {name} 的算法。",
    "There is no development network in {path}.": "{path} 中没有开发网络。",
    "There is no node {name} here.": "这里没有节点 {name}。",
    "There is no suite {name}.": "没有名为 {name} 的算法套件。",
    "This node computed another outcome than the others. Keep its data folder, compare "
    "versions, and ask for help; the others go on without it.": (
        "该节点算出的结果与其他节点不同。请保留其数据目录，比较各节点版本并寻求帮助；其他节点会"
        "继续运行。"
    ),
    "Time": "时间",
    "Too few nodes run to decide anything. `bubi why` names the others.": (
        "运行的节点太少，无法形成决定。`bubi why` 会列出其余节点。"
    ),
    "Transaction": "交易",
    "Transactions per request.": "每个请求的交易数。",
    "Transactions through the bulk door.": "经批量入口提交的交易数。",
    "Transfers per block.": "每个区块的转账数。",
    "Trust file": "信任文件",
    "Trust file of the ledger, from somebody you trust.": "账本的信任文件，须来自您信任的人。",
    "Trust file of the network, to build off-line.": "网络的信任文件，用于离线构造。",
    "Trust file of the network, to decode off-line.": "网络的信任文件，用于离线解码。",
    "Try next": "接下来可以试试",
    "URL": "网址",
    "Validator": "验证节点",
    "Value": "值",
    "Verification of signatures": "签名验证",
    "Version; else the newest.": "版本；默认最新。",
    "View": "视图",
    "Vote thresholds of {total} validators": "{total} 个验证节点的投票门槛",
    "Votes at this height": "本高度的投票",
    "Wait for the next view; if it lasts, look at `bubi peers` and `bubi logs`.": (
        "请等待下一个视图；若持续如此，请查看 `bubi peers` 和 `bubi logs`。"
    ),
    "Wait until it has finished.": "请等它完成。",
    "Wait until it is decided.": "等待结果。",
    "Warning: {text}": "警告：{text}",
    "Weight": "权重",
    "What each vote threshold of N validators survives.": "N 个验证节点在各投票门槛下的容错能力。",
    "What is wrong": "问题",
    "What it does": "作用",
    "What to do": "解决办法",
    "What to do:": "解决办法：",
    "What will happen or has to be done": "处理方式",
    "Where other nodes reach it; left out, it begins all connections itself.": (
        "其他节点连接它的地址；省略时所有连接都由它自己发起。"
    ),
    "Where the public files go.": "公开文件的存放位置。",
    "Who runs it.": "运行机构。",
    "Why the network does not decide, and who can cure it.": "网络为何不出块，谁能解决。",
    "Write a transaction, not yet signed, into a file.": "把尚未签名的交易写入文件。",
    "Write it as ed25519:HEX; `bubi key show` prints it.": (
        "请写成 ed25519:十六进制；`bubi key show` 会显示。"
    ),
    "Write it like 3/4.": "请写成 3/4 的形式。",
    "Write it like http://127.0.0.1:8801.": "请写成 http://127.0.0.1:8801 的形式。",
    "Write its id in hex, or ISSUER:CODE.": "请写十六进制编号，或 发行者：代码。",
    "Wrote {path}. Sign it with `bubi tx sign {path} --as NAME`.": (
        "已写入 {path}。用 `bubi tx sign {path} --as 名称` 签名。"
    ),
    "yes": "是",
    "{document} is that document, byte for byte: it existed no later than {time}.": (
        "{document} 与该文件逐字节相同：它最迟在 {time} 已经存在。"
    ),
    "{name} alone has {weight} of the votes, more than may fail: it can stop the network.": (
        "{name} 一家就有 {weight} 票，超过可容忍的失效数：它能使网络停止。"
    ),
    "{name} is no demo account and no keystore file.": "{name} 既不是演示账户，也不是密钥库文件。",
    "{name} is no demo account, address or keystore file.": (
        "{name} 不是演示账户、地址或密钥库文件。"
    ),
    "{path} cannot be read: {reason}": "无法读取 {path}：{reason}",
    "{path} cannot be written.": "无法写入 {path}。",
    "{path} cannot be written: {reason}": "无法写入 {path}：{reason}",
    "{path} exists; keys are never overwritten.": "{path} 已存在；密钥绝不会被覆盖。",
    "{path} is no folder.": "{path} 不是目录。",
    "{path} is not a trust file: {reason}": "{path} 不是信任文件：{reason}",
    "{path} is not empty and is no development network.": "{path} 不为空，也不是开发网络。",
    "{path} is not empty.": "{path} 不是空目录。",
    "{path} is too large to be a proof.": "{path} 过大，不可能是证明。",
    "{path} now has {count} signatures. Submit it with `bubi tx submit {path}`.": (
        "{path} 现有 {count} 个签名。用 `bubi tx submit {path}` 提交。"
    ),
    "{path}: {reason}": "{path}:{reason}",
    "{phase} in view {view}": "视图 {view} 中的 {phase}",
    "{text} is no asset.": "{text} 不是资产。",
    "{text} is no ratio.": "{text} 不是比例。",
    "{text} is not a public key: {reason}": "{text} 不是公钥：{reason}",
    "{text} is not LANE:NUMBER.": "{text} 不是 通道：序号 的形式。",
    "{url} is no address.": "{url} 不是地址。",
    "Simulate whole networks from a seed and try to break them.": (
        "从种子出发模拟整个网络并设法破坏它。"
    ),
    "Sizes of the simulated networks.": "模拟网络的节点数。",
    "Processes that share the work; else all cores.": "分担工作的进程数；默认用全部核心。",
    "Classes or groups of faults; else all.": "故障类别或类别组；默认全部。",
    "Run seeds; every violation is a finding.": "运行种子；任何违反都算发现问题。",
    "Seeds A to B - 1.": "种子 A 到 B - 1。",
    "Seeds": "种子",
    "Simulation": "模拟",
    "Injected faults": "注入的故障",
    "Situations met": "遇到的情形",
    "Run scenarios in which members have two instances.": "运行成员有两个实例的场景。",
    "How many scenarios.": "场景数量。",
    "Seed of the scenarios.": "场景的种子。",
    "With crashes and slow keys, and twins that lie.": "加上崩溃、迟缓的密钥和说谎的孪生成员。",
    "Scenarios": "场景",
    "Twins": "孪生",
    "Plant bugs in a copy and see that the simulator catches them.": (
        "在副本中植入错误，检验模拟器能否发现。"
    ),
    "Only these planted bugs.": "仅这些植入的错误。",
    "Another one leads to other hunts.": "换一个种子即换一批搜寻。",
    "Most seconds for one planted bug.": "每个植入错误的最长秒数。",
    "There is no planted bug {name}.": "没有名为 {name} 的植入错误。",
    "Planted bugs": "植入的错误",
    "Run one seed again and tell what happens.": "重新运行一个种子并说明经过。",
    "Seed of the run.": "运行的种子。",
    "Virtual time in seconds from which to print.": "从这一虚拟时间（秒）开始输出。",
    "Virtual time in seconds up to which to print.": "输出到这一虚拟时间（秒）为止。",
    "Trace hash {hash}": "轨迹哈希 {hash}",
    "Try an engine of your own: MODULE:ENGINE, or the name of an installed one.": (
        "检验自己的引擎：MODULE:ENGINE，或已安装引擎的名称。"
    ),
    "{name} is not an engine: {reason}": "{name} 不是引擎：{reason}",
    "Checked": "已检查",
    "File that keeps every verdict; a run with it goes on from there.": (
        "保存每个结论的文件；再次使用时从中断处继续。"
    ),
    "Conformance of {engine}": "{engine} 的一致性检验",
    "Requirement": "要求",
    "Verdict": "结论",
    "Violations": "违规",
    "Seeds are given as A:B with A below B.": "种子写作 A:B，且 A 小于 B。",
    "Sizes are numbers from 1 to {most}.": "节点数须为 1 到 {most} 的整数。",
    "There is no engine {name}.": "没有名为 {name} 的引擎。",
    "There is no class of faults {name}.": "没有名为 {name} 的故障类别。",
    "Number of simulated nodes.": "模拟的节点数。",
    "Also tell which stages and threads used the CPU.": "同时说明各阶段与各线程所用的 CPU。",
    "CPU time of one validator per transaction": "单个验证节点每笔交易的 CPU 时间",
    "Stage": "阶段",
    "µs": "微秒",
    "Share": "占比",
    "There is no workload {name}.": "没有名为 {name} 的负载。",
    "A network of {count} nodes": "{count} 个节点的网络",
    "CPU seconds per 1,000 transactions, all nodes": "每 1,000 笔交易的 CPU 秒数（全部节点）",
    "Wall time of a block's phases on one node (ms)": "单个节点上区块各阶段的墙钟时间（毫秒）",
    "Opening {count} accounts.": "正在开设 {count} 个账户。",
    "{offered} offered per second: {committed} committed, p99 {p99} ms.": (
        "每秒提交 {offered} 笔：确认 {committed} 笔，p99 {p99} 毫秒。"
    ),
    "The load generator failed.": "负载发生器失败。",
    "Users of a gateway.": "网关的用户。",
    "Log in to the console (once, within 15 minutes): {url}": (
        "登录控制台（15 分钟内一次有效）：{url}"
    ),
    "Add a user; with a password, or else for login links only.": (
        "添加用户；可带密码，否则只能用登录链接登录。"
    ),
    "The name to log in with.": "登录用的名称。",
    "What the user may do.": "用户的权限。",
    "{name} is no name for a user.": "{name} 不能作为用户名。",
    "A password needs {count} characters, and some variety.": (
        "密码至少 {count} 个字符，且不能过于单一。"
    ),
    "There is a user {name} already.": "已有用户 {name}。",
    "User": "用户",
    "Make a link that logs in once.": "生成只能登录一次的链接。",
    "Whom it logs in; a new administrator if unknown.": ("登录的用户；若不存在则新建为管理员。"),
    "Login link, good once and for 15 minutes": "登录链接，15 分钟内可用一次",
    "`bubi up --no-gateway` starts the network without it.": (
        "`bubi up --no-gateway` 可在没有网关的情况下启动网络。"
    ),
    "The gateway (process {pid}) does not end.": "网关（进程 {pid}）没有结束。",
    "The gateway did not start. The end of its log:": "网关未能启动。其日志末尾：",
    "The gateway was started and is gone.": "网关曾经启动，现已不在。",
    "`bubi logs --node gateway` shows why; `bubi up` starts it again.": (
        "`bubi logs --node gateway` 可查看原因；`bubi up` 可再次启动。"
    ),
    "The gateway at {url} is not ready.": "{url} 的网关尚未就绪。",
    "`bubi logs --node gateway` shows why.": "`bubi logs --node gateway` 可查看原因。",
    "Gateway": "网关",
    "Start the nodes only.": "只启动节点。",
    "Explorer, monitoring and console of one organisation.": "一个组织的浏览器、监控和控制台。",
    "Run a gateway until Ctrl-C.": "运行网关，直到按下 Ctrl-C。",
    "The gateway's tables.": "网关的数据表。",
    "Height, lag and a hash per table, to compare two indexes.": (
        "高度、滞后和每张表的哈希，用于比较两个索引。"
    ),
    "Empty the tables; the next start fills them from the ledger.": (
        "清空数据表；下次启动时从账本重新填充。"
    ),
    "The index is still empty.": "索引仍为空。",
    "Start the gateway.": "请启动网关。",
    "Lag in blocks": "滞后区块数",
    "Index": "索引",
    "The gateway runs.": "网关正在运行。",
    "Stop it first with `bubi down`.": "请先用 `bubi down` 停止它。",
    "The tables are empty.": "数据表已清空。",
    "The gateway's config.toml, or its folder.": "网关的 config.toml，或其所在目录。",
    "The gateway's config.toml; else that of `bubi up`.": (
        "网关的 config.toml；默认为 `bubi up` 的网关。"
    ),
    "The database of the index failed: {reason}": "索引的数据库出错：{reason}",
    "Check index.database in the gateway's configuration.": "请检查网关配置中的 index.database。",
    "The network here has no gateway.": "这里的网络没有网关。",
    "`bubi up` starts one.": "`bubi up` 可启动一个。",
    "Lower the quorum; or say {options}.": "请降低门槛；或加上 {options}。",
    "Spread the weights or add validators; or say {options}.": (
        "请分散权重或增加验证节点；或加上 {options}。"
    ),
    "Take at least {least} validators or a lower quorum; or say {options}.": (
        "请至少使用 {least} 个验证节点，或降低门槛；或加上 {options}。"
    ),
    "Validator that the network cannot miss, or no_fault_tolerance; repeatable.": (
        "网络不可缺少的验证节点，或 no_fault_tolerance；可重复。"
    ),
    "Votes of a validator, else 1; repeatable.": "某个验证节点的票数，默认为 1；可重复。",
    "Where no silent member is survived, `bubi network create` demands --acknowledge "
    "no_fault_tolerance.": (
        "若不能容忍任何沉默成员，`bubi network create` 要求 --acknowledge no_fault_tolerance。"
    ),
    "Write it like node-a=2.": "请写成 node-a=2 的形式。",
    "{needed} of {total} votes decide. Weight {spare} may be down, and more has "
    "{named}: alone it stops the network.": (
        "{total} 票中须有 {needed} 票才能作出决定。可缺席的权重为 {spare}，而 "
        "{named} 超过此数：它单独即可使网络停止。"
    ),
    "{needed} of {total} votes decide: a single validator that is down stops the network.": (
        "{total} 票中须有 {needed} 票才能作出决定：任何一个验证节点停机都会使网络停止。"
    ),
    "{text} is no weight.": "{text} 不是权重。",
    "Agreement held": "一致性保持",
    "Attack vote thresholds by members that equivocate, until they fork.": (
        "用两面投票的成员攻击投票门槛，直至分叉。"
    ),
    "Fork shown": "已演示分叉",
    "Liars for a fork": "造成分叉所需作恶权重",
    "Number of members, or the weight of each.": "成员数，或每个成员的权重。",
    "There are {least} to {most} members.": "成员数须为 {least} 至 {most}。",
    "Thresholds": "门槛",
    "Thresholds of weight {total}": "总权重 {total} 的投票门槛",
    "Write a number of members, or their weights like 3,2,1,1.": (
        "请写成员数，或 3,2,1,1 这样的权重。"
    ),
}
