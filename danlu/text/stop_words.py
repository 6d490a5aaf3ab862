"""Stop words of English and Chinese: frequent words with a grammatical function and little content."""

from __future__ import annotations

_ENGLISH = """
a about above after again against all also am an and any are as at be because been before being below between
both but by can could did do does doing down during each few for from further had has have having he her here
hers him his how i if in into is it its itself just me more most my no nor not now of off on once only or other
our out over own same she should so some such than that the their them then there these they this those through
to too under until up upon us very was we were what when where which while who whom why will with would you
your
"""

_CHINESE = """
的 了 和 是 在 有 就 不 也 都 而 及 与 或 着 过 地 得 之 其 以 于 把 被 让 给 对 从 到 向 由 为 因 但 却 并 则
若 如 即 又 再 还 只 才 很 更 最 太 吗 呢 吧 啊 呀 嘛 这 那 哪 此 该 各 每 某 我 你 他 她 它 我们 你们 他们
她们 它们 自己 这个 那个 这些 那些 这样 那样 什么 怎么 没有 不是 就是 可以 因为 所以 但是 如果 虽然 而且 或者
以及 一个 一些 一种 已经 还是 只是 不过 由于 为了 关于 对于 其中 其他 个 们 上 中 下 等 者 所 乃 矣 焉 哉 乎 這
個 們 為 與 對 從 過 還 沒有 這個 那個 我們
"""

ENGLISH = frozenset(_ENGLISH.split())
CHINESE = frozenset(_CHINESE.split())
