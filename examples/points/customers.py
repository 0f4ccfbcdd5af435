"""The customers of the points programme: a CSV made from a seed."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

FAMILY = [
    "王",
    "李",
    "张",
    "刘",
    "陈",
    "杨",
    "黄",
    "赵",
    "吴",
    "周",
    "徐",
    "孙",
    "马",
    "朱",
    "胡",
    "郭",
    "何",
    "高",
    "林",
    "罗",
]
GIVEN = [
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
    "霞",
    "平",
    "刚",
]
CITIES = ["北京", "上海", "广州", "深圳", "贵阳", "成都", "杭州", "武汉", "西安", "南京"]
FIELDS = ("number", "name", "city", "tier", "points", "promotion", "spends")
TIERS = (("gold", 0.05, 5_000), ("silver", 0.25, 1_500), ("basic", 0.7, 500))
"""Tier, its share of the customers, the middle of their points."""

SPENDERS = 0.1
PROMOTION_SHARE = 0.2
PROMOTION_POINTS = 50


@dataclass(frozen=True)
class Customer:
    """A customer: points earned, points of a short promotion, points to spend."""

    number: int
    name: str
    city: str
    tier: str
    points: int
    promotion: int
    spends: int


def generate(count: int, seed: int) -> list[Customer]:
    """Customers from a seed."""
    source = random.Random(seed)
    return [_customer(source, number) for number in range(1, count + 1)]


def _customer(source: random.Random, number: int) -> Customer:
    tier, _share, middle = source.choices(TIERS, [one[1] for one in TIERS])[0]
    points = max(10, round(source.lognormvariate(0, 0.6) * middle))
    promotion = PROMOTION_POINTS if source.random() < PROMOTION_SHARE else 0
    spends = source.randint(1, points) if source.random() < SPENDERS else 0
    name = source.choice(FAMILY) + source.choice(GIVEN) + source.choice(("", *GIVEN))
    return Customer(number, name, source.choice(CITIES), tier, points, promotion, spends)


def write(path: Path, customers: list[Customer]) -> None:
    """Writes the CSV."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(FIELDS)
        writer.writerows([getattr(one, field) for field in FIELDS] for one in customers)


def read(path: Path) -> list[Customer]:
    """Reads the CSV."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            Customer(
                int(row["number"]),
                row["name"],
                row["city"],
                row["tier"],
                int(row["points"]),
                int(row["promotion"]),
                int(row["spends"]),
            )
            for row in csv.DictReader(lines)
        ]
