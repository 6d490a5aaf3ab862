"""Short English sentences with their Chinese translations, combined from parts: a translation corpus without a
download.

The sentences are grammatical, but not always sensible.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import product

from danlu.text.documents import Document, Rejected
from danlu.text.source import Source

Pair = tuple[str, str]

TIMES: tuple[Pair, ...] = (
    ("yesterday", "昨天"), ("this morning", "今天早上"), ("last night", "昨天晚上"), ("last week", "上个星期"),
    ("on Sunday", "星期天"), ("in the afternoon", "下午"), ("in spring", "春天"), ("after dinner", "晚饭后"),
)  # fmt: skip

SUBJECTS: tuple[Pair, ...] = (
    ("I", "我"), ("you", "你"), ("he", "他"), ("she", "她"), ("we", "我们"), ("my mother", "我妈妈"),
    ("my father", "我爸爸"), ("the teacher", "老师"), ("the doctor", "医生"), ("the old man", "老人"),
    ("the children", "孩子们"), ("my friend", "我的朋友"), ("his sister", "他妹妹"), ("our neighbour", "我们的邻居"),
)  # fmt: skip

ACTIONS: tuple[Pair, ...] = (
    ("drank tea", "喝了茶"), ("ate an apple", "吃了一个苹果"), ("read a book", "看了一本书"),
    ("wrote a letter", "写了一封信"), ("bought a new car", "买了一辆新车"), ("sold the old house", "卖了那座老房子"),
    ("saw a white bird", "看见了一只白鸟"), ("found the key", "找到了钥匙"), ("opened the window", "打开了窗户"),
    ("closed the door", "关上了门"), ("cooked rice", "煮了米饭"), ("sang a song", "唱了一首歌"),
    ("watched a film", "看了一部电影"), ("learned Chinese", "学了中文"), ("visited the museum", "参观了博物馆"),
    ("cleaned the room", "打扫了房间"), ("waited for the bus", "等了公共汽车"), ("played football", "踢了足球"),
    ("drew a picture", "画了一幅画"), ("lost a shoe", "丢了一只鞋"), ("planted a tree", "种了一棵树"),
    ("washed the clothes", "洗了衣服"), ("forgot the umbrella", "忘了带伞"), ("listened to music", "听了音乐"),
)  # fmt: skip

PLACES: tuple[Pair, ...] = (
    ("", ""), ("at home", "在家里"), ("in the city", "在城里"), ("at school", "在学校"), ("by the river", "在河边"),
    ("in the village", "在村子里"),
)  # fmt: skip


def sentence_pairs() -> Iterator[Pair]:
    """Yield all combinations of time, subject, action and place.

    An example: `Yesterday I drank tea at home.`, `昨天我在家里喝了茶。`.
    """
    for time, subject, action, place in product(TIMES, SUBJECTS, ACTIONS, PLACES):
        english = " ".join(part for part in (time[0], subject[0], action[0], place[0]) if part)
        yield f"{english[0].upper()}{english[1:]}.", f"{time[1]}{subject[1]}{place[1]}{action[1]}。"


class SentencePairs(Source):
    """The source `builtin:sentence_pairs` of a corpus: one document per pair, with one side per line."""

    def identity(self) -> dict[str, str]:
        parts = json.dumps([TIMES, SUBJECTS, ACTIONS, PLACES], ensure_ascii=False).encode()
        return {"source": "builtin:sentence_pairs", "sha256": hashlib.sha256(parts).hexdigest()}

    def layout(self) -> str:
        return "pair"

    def documents(self) -> Iterator[Document | Rejected]:
        for number, (english, chinese) in enumerate(sentence_pairs(), 1):
            yield Document(f"{english}\n{chinese}", f"pair {number}")
