"""Lists the rows of the queue's database, so that one that cannot be read does not hide the others."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbos import DBOSClient, WorkflowStatus

UNREADABLE = (ValueError, RecursionError)  # JSON that is none, or too deep
AT_ONCE = 500


def listed(client: "DBOSClient", name: str, **which: Any) -> tuple[list["WorkflowStatus"], list[str]]:
    """What `client.list_workflows` finds of a workflow, latest first, and the ids of those rows that it cannot read.

    It reads all or none; so where it cannot, it is asked for halves, and halves of these.
    """
    which |= {"name": name, "sort_desc": True}
    try:
        return client.list_workflows(**which), []
    except UNREADABLE:
        most, ids = which.pop("limit", None), which.pop("workflow_ids", None) or every(client, name)
    whole: list[WorkflowStatus] = []
    damaged: list[str] = []
    parts = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)][::-1]
    while parts and (most is None or len(whole) < most):
        part = parts.pop()
        try:
            whole += client.list_workflows(**which, workflow_ids=part)
        except UNREADABLE:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]] if middle else []
            damaged += [] if middle else part
    return whole[:most], damaged


def every(client: "DBOSClient", name: str) -> list[str]:
    """The ids of all rows of a workflow, latest first: only the database itself can say them without reading the rest."""
    import sqlalchemy

    status = client._sys_db.tables.workflow_status.c
    asked = sqlalchemy.select(status.workflow_uuid).where(status.name == name).order_by(status.created_at.desc())
    with client._sys_db.engine.connect() as database:
        return [str(item) for item in database.scalars(asked)]
