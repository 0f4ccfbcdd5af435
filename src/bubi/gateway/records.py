"""Questions about namespaces, records, their versions and where they came from."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, or_, select

from bubi.gateway import shapes
from bubi.gateway.index import schema
from bubi.gateway.index.paging import Asked, Order, Page
from bubi.gateway.index.reader import Reader, View, named_by

GRAPH_MAX = 200
Version = tuple[bytes, str, int]


def namespaces(
    reader: Reader, asked: Asked, owner: str | None = None, name: str | None = None
) -> Page:
    """Namespaces by name."""
    table = schema.namespaces
    query = select(table)
    with reader.view() as view:
        if owner is not None:
            query = query.where(named_by(table.c.owner, view.account_number(owner)))
        if name is not None:
            query = query.where(table.c.name == name)
        order = Order([table.c.name], down=False, types=(str,))
        rows, following = view.page(query, order, asked, ["name"])
        owners = view.addresses([row.owner for row in rows])
        items: list[shapes.Namespace] = [
            {
                "namespace": row.namespace.hex(),
                "name": row.name,
                "owner": owners[row.owner],
                "shared": bool(row.shared),
                "writers": row.writers,
                "created": str(row.height),
            }
            for row in rows
        ]
        return Page(items, following, view.height)


def records(
    reader: Reader,
    asked: Asked,
    namespace: str | None = None,
    key: str | None = None,
    digest: str | None = None,
    writer: str | None = None,
) -> Page:
    """Versions of records that fit, newest first."""
    table = schema.records
    query = select(table)
    with reader.view() as view:
        if namespace is not None:
            query = query.where(table.c.namespace == bytes.fromhex(namespace))
        if key is not None:
            query = query.where(table.c.key == key)
        if digest is not None:
            query = query.where(table.c.digest == bytes.fromhex(digest))
        if writer is not None:
            query = query.where(named_by(table.c.writer, view.account_number(writer)))
        names = ["height", "position", "namespace", "key", "version"]
        columns = [table.c[name] for name in names]
        order = Order(columns, types=(int, int, bytes, str, int))
        rows, following = view.page(query, order, asked, names)
        return Page(_shown(view, rows), following, view.height)


def record(
    reader: Reader, namespace: str, key: str, version: int | None = None
) -> shapes.RecordDetail | None:
    """A version of a record (the newest if none is named) with its content and its parents."""
    table, links = schema.records, schema.record_parents
    this = and_(table.c.namespace == bytes.fromhex(namespace), table.c.key == key)
    query = select(table).where(this).order_by(table.c.version.desc()).limit(1)
    if version is not None:
        query = query.where(table.c.version == version)
    with reader.view() as view:
        row = view.connection.execute(query).first()
        if row is None:
            return None
        parents = view.connection.execute(
            select(links.c.parent_namespace, links.c.parent_key, links.c.parent_version).where(
                links.c.namespace == row.namespace,
                links.c.key == row.key,
                links.c.version == row.version,
            )
        )
        return {
            **_shown(view, [row])[0],
            "content": None if row.content is None else row.content.hex(),
            "hidden": ["content"] if row.content_kind == "cipher" else [],
            "parents": [_reference(tuple(one)) for one in parents],
            "indexed_height": str(view.height),
        }


def versions(
    reader: Reader, namespace: str, key: str, asked: Asked, writer: str | None = None
) -> Page:
    """Versions of a record, newest first."""
    table = schema.records
    query = select(table).where(table.c.namespace == bytes.fromhex(namespace), table.c.key == key)
    with reader.view() as view:
        if writer is not None:
            query = query.where(named_by(table.c.writer, view.account_number(writer)))
        rows, following = view.page(query, Order([table.c.version]), asked, ["version"])
        return Page(_shown(view, rows), following, view.height)


def graph(reader: Reader, namespace: str, key: str, version: int | None) -> shapes.Graph | None:
    """What a record came from and what came from it, as far as `GRAPH_MAX` versions.

    Nodes name versions; an edge leads from the parent to the child.
    """
    found = record(reader, namespace, key, version)
    if found is None:
        return None
    start: Version = (bytes.fromhex(namespace), key, found["version"])
    with reader.view() as view:
        nodes: dict[Version, None] = {start: None}
        edges: dict[tuple[Version, Version], None] = {}
        fresh: list[Version] = [start]
        while fresh and len(nodes) < GRAPH_MAX:
            reached = [edge for one in fresh for edge in _edges(view, one)]
            fresh = []
            for edge in reached:
                for end in edge:
                    if end not in nodes and len(nodes) < GRAPH_MAX:
                        nodes[end] = None
                        fresh.append(end)
                if edge[0] in nodes and edge[1] in nodes:
                    edges[edge] = None
        rows = list(_rows(view, nodes))
        return {
            "nodes": [
                {"id": _id(_version(row)), **one}
                for row, one in zip(rows, _shown(view, rows), strict=True)
            ],
            "edges": [{"from": _id(parent), "to": _id(child)} for parent, child in edges],
            "start": _id(start),
            "complete": len(nodes) < GRAPH_MAX,
            "height": str(view.height),
        }


def _edges(view: View, one: Version) -> list[tuple[Version, Version]]:
    """Edges at a version: to its parents, its children, and the versions before and after it."""
    links = schema.record_parents
    namespace, key, version = one
    child = and_(links.c.namespace == namespace, links.c.key == key, links.c.version == version)
    parent = and_(
        links.c.parent_namespace == namespace,
        links.c.parent_key == key,
        links.c.parent_version == version,
    )
    rows = view.connection.execute(select(links).where(or_(child, parent)).limit(GRAPH_MAX))
    stated = [
        ((row.parent_namespace, row.parent_key, row.parent_version), _version(row)) for row in rows
    ]
    return [*stated, *_steps(view, one)]


def _steps(view: View, one: Version) -> list[tuple[Version, Version]]:
    """Edges of a version from the one before it and to the one after it, of the same key."""
    table = schema.records
    namespace, key, version = one
    beside = table.c.version.in_((version - 1, version + 1))
    query = select(table.c.version).where(
        table.c.namespace == namespace, table.c.key == key, beside
    )
    others = view.connection.execute(query.order_by(table.c.version)).scalars()
    return [
        ((namespace, key, min(version, other)), (namespace, key, max(version, other)))
        for other in others
    ]


def _rows(view: View, wanted: Iterable[Version]) -> Iterable[Any]:
    table = schema.records
    for namespace, key, version in wanted:
        yield view.connection.execute(
            select(table).where(
                table.c.namespace == namespace, table.c.key == key, table.c.version == version
            )
        ).one()


def _version(row: Any) -> Version:
    return row.namespace, row.key, row.version


def _id(one: Version) -> str:
    return f"{one[0].hex()}/{one[1]}/{one[2]}"


def _reference(one: tuple[Any, ...]) -> shapes.Reference:
    namespace, key, version = one
    return {"namespace": namespace.hex(), "key": key, "version": version}


def _shown(view: View, rows: list[Any]) -> list[shapes.Record]:
    spaces = schema.namespaces
    ids = {row.namespace for row in rows}
    query = select(spaces.c.namespace, spaces.c.name).where(spaces.c.namespace.in_(ids))
    names = dict(view.connection.execute(query).all()) if rows else {}
    writers = view.addresses([row.writer for row in rows])
    return [
        {
            **_reference(_version(row)),
            "namespace_name": names.get(row.namespace),
            "height": str(row.height),
            "time": str(row.time),
            "writer": writers[row.writer],
            "algorithm": row.algorithm,
            "digest": row.digest.hex(),
            "content_kind": row.content_kind,
            "content_size": row.content_size,
            "cipher": row.cipher,
            "transaction": _transaction(view, row),
        }
        for row in rows
    ]


def _transaction(view: View, row: Any) -> str | None:
    """What wrote a version; None if it was written on the chain that this one continues."""
    if row.height == 0:
        return None
    table = schema.transactions
    this = select(table.c.hash).where(
        table.c.height == row.height, table.c.position == row.position
    )
    found: bytes = view.connection.execute(this).scalar_one()
    return found.hex()
