"""The rules of the tree that no other tool checks, each a function from one module to what is wrong with it.

Order between packages is import-linter's (pyproject.toml); names, complexity and banned calls are ruff's.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MODULE_LINES, STORE_LINES, FUNCTION_LINES, HANDLER_LINES = 500, 600, 60, 16

#: A service must outlive a failed round, a fault ends its item and not the worker, and a script that cannot start is an answer.
MAY_CATCH_BROADLY = {
    "watchbill.kit.service",
    "watchbill.apps.site_worker",
    "watchbill.onboarding.runner",  # a fault with one machine ends its row, not the run
    "watchbill_agent.launcher",
}

#: The edges, where one request, one step or one settled item is one transaction.
MAY_COMMIT = {"watchbill.api.common", "watchbill.kit.db"}
MAY_BEGIN = ("watchbill.api.", "watchbill.apps.", "watchbill.kit.", "watchbill_agent.")

#: Where SQL is written: one place a feature, split by topic where one would be too long. A new place is a line here.
SQL_PLACES = {
    "agent_packages": {"store"},
    "agents": {"store", "account_store", "code_store", "keys"},
    "apps": {"doctor", "sealed"},
    "assemblies": {"store", "file_store"},
    "credentials": {"store"},
    "devices": {
        "store",
        "inventory",
        "presence",
        "custom_fields",
        "custom_values",
        "software",
        "tags",
        "sessions",
        "host_keys",
    },
    "identity": {"store", "actor", "audit", "idempotency", "throttle"},
    "filters": {"finding", "store", "visible"},
    "jobs": {
        "store",
        "bulk_store",
        "due",
        "followers",
        "listing",
        "login_store",
        "resealing",
        "scope",
        "summary",
        "targeting",
        "workflows",
        "zones",
    },
    "kit": {"clock", "db", "events", "instances"},
    "notifications": {"channel_store", "rule_store", "look_store", "outbox", "reading", "beat"},
    "queue": {"store"},
    "runs": {
        *("onboarding", "onboarding_moves", "onboarding_opening", "onboarding_rows"),
        *("workflow_opening", "workflow_wakes"),
        *(
            "backfill",
            "canaries",
            "closed",
            "device_rows",
            "dispatch",
            "held",
            "history",
            "moves",
            "not_run",
            "opening",
            "output",
        ),
        *("overlap", "own_clocks", "preview", "record", "script_values"),
        *("difference", "given", "job_rows", "left_out", "membership", "preflight", "steps", "step_writes"),
        *("output_groups", "output_search", "output_texts"),
        *("device_places", "occurrence_view", "playbooks", "recaps"),
        *("settling", "stopping", "taking", "turns"),
        *("pacing", "retention", "rollouts", "rollout_orders", "rollout_view", "in_sessions"),
        *("cancelling", "resealing", "retargeting", "waiting"),
        *("away", "calendar", "coming", "fetching", "health", "ledger", "outages", "reviewing", "setting_back"),
    },
    "sites": {"store"},
    "variables": {"store", "giving"},
    "views": {"store"},
    "workflows": {"store", "sets", "reading", "webhook_store"},
    "vpn": {"store", "reading"},
    "windows": {"store", "covering"},
}
#: A lock time-out of our own, and the table of the doctor's checks.
MAY_COMPOSE_SQL = {"watchbill.kit.db", "watchbill.apps.doctor"}
#: Names of SQLAlchemy that write no SQL.
HARMLESS_SQL_NAMES = {"make_url"}

#: Who looks at the process environment: processes, and what hands one on to the programs it starts.
MAY_READ_ENVIRONMENT = (
    "watchbill.apps.",
    "watchbill.kit.postgres_host",
    "watchbill.kit.processes",
    "watchbill_agent.datadir",
    "watchbill_agent.packaged",
    "watchbill_agent.platform_linux",
    "watchbill_agent.service_keeper",
)

#: What the pure core may import. Nothing here reads time, chance, the environment, the network or the disk.
PURE = {
    *(
        "base64",
        "binascii",
        "bisect",
        "calendar",
        "collections",
        "collections.abc",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "enum",
        "functools",
    ),
    *("hashlib", "heapq", "ipaddress", "itertools", "json", "math", "operator", "re", "struct", "typing", "uuid"),
    *("dateutil.rrule", "watchbill.core"),
    "urllib.parse",  # takes addresses apart; reaches none
}
PURE_EXCEPTIONS = {
    "watchbill.core.zones": {"importlib", "importlib.resources", "zoneinfo"},  # the pinned zone rules, read once
    "watchbill.core.playbook_yaml": {"yaml"},  # its parser alone: text in, events out
    "watchbill.core.schedule": {"sys"},  # `python -m watchbill.core.schedule`
    "watchbill.core.schedule_cli": {"argparse", "pathlib", "sys"},
}
IMPURE_CALLS = re.compile(r"(^|\.)(open|input|now|today|utcnow|uuid1|uuid4|getenv)$")

_SUPPRESSION = re.compile(r"#\s*(type:\s*ignore|pragma:|mypy:|pylint:|pyright:|ruff:)")
_NOQA = re.compile(r"#\s*noqa(?!: [A-Z]+\d+(, [A-Z]+\d+)* - \w)")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_SQL_TIME = re.compile(
    r"\b(now|(clock|statement|transaction)_timestamp)\(\)|\bcurrent_(timestamp|date|time)\b|\blocaltime", re.IGNORECASE
)
_ROUTE = {"get", "post", "put", "patch", "delete"}


@dataclass(frozen=True)
class Module:
    """One file of the tree, parsed. `name` is dotted: `watchbill.jobs.store`."""

    path: Path
    name: str

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def is_face(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """`jobs` of `watchbill.jobs.store`; nothing outside of `watchbill`."""
        parts = self.name.split(".")
        return parts[1] if parts[0] == "watchbill" and len(parts) > 1 else ""

    @property
    def imports(self) -> Iterator[tuple[str, list[str], int]]:
        """Module, the names taken from it (none for a plain import), line."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, [], node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or "", [alias.name for alias in node.names], node.lineno

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        yield from (node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    @property
    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        yield from ((ast.unparse(node.func), node) for node in self.nodes if isinstance(node, ast.Call))


@dataclass(frozen=True)
class Finding:
    rule: str
    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


Found = Iterator[tuple[int, str]]
Rule = Callable[[Module], Found]


def module_says_what_it_owns(module: Module) -> Found:
    if module.text.strip() and not ast.get_docstring(module.tree):
        yield 1, "begins with no sentence about what it owns and must not do"


def module_is_short(module: Module) -> Found:
    most = STORE_LINES if module.path.name == "store.py" else MODULE_LINES
    if (lines := len(module.text.splitlines())) > most:
        yield lines, f"has {lines} lines, at most {most} are allowed"


def function_is_short(module: Module) -> Found:
    for function in module.functions:
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES:
            yield function.lineno, f"{function.name} has {lines} lines, at most {FUNCTION_LINES} are allowed"


def broad_handler_has_a_home(module: Module) -> Found:
    if module.name in MAY_CATCH_BROADLY:
        return
    for node in module.nodes:
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _reraises(node):
            yield node.lineno, "catches everything and does not raise it again"
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("suppress")
            and any(map(_is_broad, node.args))
        ):
            yield node.lineno, "suppresses everything"


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_is_broad(one) for one in kind.elts)
    return kind is None or ast.unparse(kind) in {"Exception", "BaseException"}


def _reraises(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def nothing_is_suppressed(module: Module) -> Found:
    for number, comment in module.comments:
        if _SUPPRESSION.search(comment):
            yield number, "silences a checker"
        elif _NOQA.search(comment):
            yield number, "`noqa` without a code and a reason: write `# noqa: X123 - why`"


def nothing_is_unfinished(module: Module) -> Found:
    for number, comment in module.comments:
        if _UNFINISHED.search(comment):
            yield number, "leaves work for later"
    promised = [one for node in module.nodes if _is_protocol(node) for one in ast.walk(node)]
    for function in module.functions:
        if function not in promised and all(isinstance(one, ast.Pass) or _is_ellipsis(one) for one in function.body):
            yield function.lineno, f"{function.name} does nothing"
    for name, call in module.calls:
        if name == "NotImplementedError":
            yield call.lineno, "is not implemented"


def _is_protocol(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases)


def _is_ellipsis(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and statement.value.value is ...
    )


def transactions_belong_to_the_edge(module: Module) -> Found:
    if not module.name.startswith("watchbill."):
        return
    for name, call in module.calls:
        verb = name.rpartition(".")[2]
        if verb in {"commit", "rollback"} and "." in name and module.name not in MAY_COMMIT:
            yield call.lineno, f"`{name}()`: features never end a transaction"
        elif verb == "begin" and not module.name.startswith(MAY_BEGIN):
            yield call.lineno, f"`{name}()`: features take a transaction, they open none"


def sql_has_its_places(module: Module) -> Found:
    if not module.package or module.package == "migrations" or module.path.name == "tables.py":
        return
    is_place = module.path.stem in SQL_PLACES.get(module.package, set()) and not module.is_face
    for source, names, line in module.imports:
        writes = [name for name in names if name.islower() and name not in HARMLESS_SQL_NAMES]
        if source.partition(".")[0] == "sqlalchemy" and writes and not is_place and "exc" not in source:
            yield line, f"writes SQL ({', '.join(writes)}) outside of its places"
        elif source.endswith(".tables") and not is_place:
            yield line, f"uses the tables of {source} outside of the places of SQL"


def sql_text_is_constant(module: Module) -> Found:
    for name, call in module.calls:
        if name == "text" and module.name not in MAY_COMPOSE_SQL and not all(map(_is_constant_text, call.args)):
            yield call.lineno, "makes SQL text of something else than constants"


def _is_constant_text(value: ast.expr) -> bool:
    """Literals, module constants, and what is put together of them."""
    match value:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name.strip("_").isupper()
        case ast.JoinedStr(values=parts):
            return all(
                _is_constant_text(part.value if isinstance(part, ast.FormattedValue) else part) for part in parts
            )
        case ast.BinOp(left=left, right=right):
            return _is_constant_text(left) and _is_constant_text(right)
        case ast.Call(func=ast.Attribute(value=template, attr="format"), keywords=keywords):
            return all(_is_constant_text(one) for one in [template, *(keyword.value for keyword in keywords)])
        case _:
            return False


def sql_is_told_the_time(module: Module) -> Found:
    if not module.name.startswith("watchbill.") or module.name == "watchbill.kit.clock":
        return
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL_TIME.search(node.value):
            if not _is_prose(module, node):
                yield node.lineno, "asks the database for the time: pass `now`"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in {"func.now", "func.current_timestamp"}:
            yield node.lineno, "asks the database for the time: pass `now`"


def _is_prose(module: Module, constant: ast.Constant) -> bool:
    return any(isinstance(node, ast.Expr) and node.value is constant for node in module.nodes)


def store_is_private(module: Module) -> Found:
    for source, names, line in module.imports:
        for parts in {tuple(path.split(".")[:3]) for path in [source, *(f"{source}.{name}" for name in names)]}:
            if parts[0] == "watchbill" and parts[2:] == ("store",) and parts[1] != module.package:
                yield line, f"reaches into {'.'.join(parts)}: use the face of {parts[1]}"


def handler_only_shapes(module: Module) -> Found:
    if module.package != "api":
        return
    for function in filter(_is_handler, module.functions):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > HANDLER_LINES:
            yield function.lineno, f"handler {function.name} has {lines} lines, at most {HANDLER_LINES} are allowed"
        for node in ast.walk(function):
            if isinstance(node, ast.Try | ast.While):
                yield (
                    node.lineno,
                    f"handler {function.name} holds a {type(node).__name__.lower()}: that is a rule, and has a home",
                )


def _is_handler(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in _ROUTE
        for one in function.decorator_list
    )


def environment_has_its_readers(module: Module) -> Found:
    if module.name.startswith(MAY_READ_ENVIRONMENT):
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}:
            yield node.lineno, f"reads {ast.unparse(node)}: settings are read once and passed down"


def core_is_pure(module: Module) -> Found:
    if module.package != "core":
        return
    allowed = PURE | PURE_EXCEPTIONS.get(module.name, set())
    for source, _, line in module.imports:
        if source not in allowed and not source.startswith("watchbill.core."):
            yield line, f"imports {source}: the core reads no time, chance, environment, network or disk"
    if module.name in PURE_EXCEPTIONS:
        return
    for name, call in module.calls:
        if IMPURE_CALLS.search(name):
            yield call.lineno, f"calls {name}: the core takes what it needs as arguments"


def tests_use_the_real_thing(module: Module) -> Found:
    for source, names, line in module.imports:
        if source == "mock" or source.startswith("unittest.mock") or (source == "unittest" and "mock" in names):
            yield line, "doubles are written by hand, at real seams"


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        module_says_what_it_owns,
        module_is_short,
        function_is_short,
        broad_handler_has_a_home,
        nothing_is_suppressed,
        nothing_is_unfinished,
        transactions_belong_to_the_edge,
        sql_has_its_places,
        sql_text_is_constant,
        sql_is_told_the_time,
        store_is_private,
        handler_only_shapes,
        environment_has_its_readers,
        core_is_pure,
        tests_use_the_real_thing,
    )
}
#: Tests and benches are held to these alone.
RULES_FOR_TESTS = ("module_is_short", "nothing_is_unfinished", "tests_use_the_real_thing")


def modules(root: Path) -> Iterator[Module]:
    """Every Python file below `root`, named as Python would import it from there."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield Module(path, ".".join(part for part in parts if part != "__init__"))


def check(module: Module, rules: tuple[str, ...] = tuple(RULES)) -> list[Finding]:
    return [Finding(rule, module.path, line, message) for rule in rules for line, message in RULES[rule](module)]
