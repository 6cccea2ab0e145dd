"""What is written for one system and fails, or does something else, on another: found in a module's syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

FOREIGN_MODULES = {
    *("crypt", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"),
    *("_winapi", "msvcrt", "winreg", "winsound"),
}
FOREIGN_NAMES = {
    "os": {
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "chroot", "ctermid", "fchmod", "fchown"),
        *("fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpriority"),
        *("getresuid", "getsid", "getuid", "kill", "killpg", "lchown", "lockf", "mkfifo", "mknod", "nice", "openpty"),
        *("pread", "pwrite", "register_at_fork", "sched_getaffinity", "setgid", "setpgid", "setpriority", "setsid"),
        *("setuid", "startfile", "statvfs", "sync", "sysconf", "tcgetpgrp", "ttyname", "uname", "wait", "wait3"),
        *("wait4", "waitid"),
    },
    "signal": {
        *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1"),
        *("SIGUSR2", "SIGXCPU", "SIGXFSZ", "alarm", "getitimer", "pause", "pthread_kill", "pthread_sigmask"),
        *("setitimer", "sigpending", "sigwait", "CTRL_BREAK_EVENT", "CTRL_C_EVENT"),
    },
    "time": {"clock_gettime", "tzset"},
}
FOREIGN_STARTS = {"fork", "forkserver"}
FOREIGN_PLACES = re.compile(r"/(dev|proc|sys|tmp|etc|var|usr|home|bin)(/|$)|[A-Za-z]:\\")
FOREIGN_PROGRAMS = {"bash", "cat", "cp", "echo", "kill", "ls", "mkdir", "mv", "python", "python3", "rm", "sh", "touch"}
FOREIGN_OPTIONS = {"pass_fds", "preexec_fn", "process_group", "shell", "start_new_session"}
STARTERS = {"Popen", "call", "check_call", "check_output", "run"}
ASKS = re.compile(r"sys\.platform|os\.name|hasattr\(|posix_only")
MODE = re.compile(r"[rwax][bt+]*")
TABLES = {"reader", "writer", "DictReader", "DictWriter"}


class Place(NamedTuple):
    """A node, and those around it from the module down."""

    node: ast.AST
    around: tuple[ast.AST, ...]


class Trap(NamedTuple):
    """A kind of mistake.

    Attributes:
        name: a word for it.
        of: the kinds of nodes that are looked at.
        found: gives what is wrong with a node, `""` where nothing is.
        advice: what to do instead.
        shipped: of what users run or get alone, the package and the benchmarks.
        asked: none where the code asks which system it is on.
    """

    name: str
    of: tuple[type[ast.AST], ...]
    found: Callable[[Place], str]
    advice: str
    shipped: bool = False
    asked: bool = False


def places(tree: ast.AST) -> Iterator[Place]:
    """All nodes of a module."""
    waiting = [Place(tree, ())]
    while waiting:
        place = waiting.pop()
        yield place
        inside = (*place.around, place.node)
        waiting += [Place(child, inside) for child in ast.iter_child_nodes(place.node)]


def traps_in(source: str, shipped: bool = True) -> list[str]:
    """The traps in a module's source: `line 3: what is wrong. What to do.`"""
    found = []
    for place in places(ast.parse(source)):
        for trap in TRAPS_OF.get(type(place.node), ()):
            what = "" if trap.shipped and not shipped else trap.found(place)
            if what and not (trap.asked and asks_for_the_system(place)):
                found.append(f"line {place.node.lineno}: {what}. {trap.advice}")
    return found


def asks_for_the_system(place: Place) -> bool:
    """Whether a condition, an assignment, a function or its decorator around a node says which systems it is for."""
    conditions = [around.test for around in place.around if isinstance(around, (ast.If, ast.IfExp))]
    wholes = [around for around in place.around if isinstance(around, (ast.FunctionDef, ast.Assign))]
    return any(ASKS.search(ast.unparse(one)) for one in (*conditions, *wholes))


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """What a call gives for a parameter; None where nothing."""
    by_name = next((word.value for word in call.keywords if word.arg == name), None)
    return call.args[position] if position is not None and len(call.args) > position else by_name


def called(node: ast.AST) -> str:
    """The last name of what is called, `open` of `path.open(...)`; `""` of other nodes."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def text_mode(call: ast.AST) -> str | None:
    """The mode of a call that opens a text file; None of any other."""
    if called(call) not in ("open", "fdopen") or not isinstance(call, ast.Call):
        return None
    method = isinstance(call.func, ast.Attribute)
    literal = [
        one.value
        for one in (*call.args[0 if method else 1 :], *(word.value for word in call.keywords if word.arg == "mode"))
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and MODE.fullmatch(one.value)
    ]
    if method and not literal:  # Path.open() alone reads text; what others open, images and archives, is bytes
        bare = not call.args and all(word.arg in ("encoding", "errors", "newline") for word in call.keywords)
        literal = ["r"] if bare and ast.unparse(call.func.value) != "self" else ["b"]
    mode = next(iter(literal), "r")
    return None if "b" in mode else mode


def _no_encoding(place: Place) -> str:
    node = place.node
    if text_mode(node) is not None and argument(node, "encoding") is None:
        return f"{ast.unparse(node)} opens text in the system's own encoding"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        position = {"read_text": 0, "write_text": 1}.get(node.func.attr)
        if position is not None and argument(node, "encoding", position) is None:
            return f"{ast.unparse(node)} is in the system's own encoding"
    return ""


def _own_newlines(place: Place) -> str:
    node = place.node
    written = "write_text" in called(node) and isinstance(node.func, ast.Attribute)
    if (written or set(text_mode(node) or "") & set("wax+")) and argument(node, "newline") is None:
        return f"{ast.unparse(node)} writes other line ends on Windows"
    return ""


def _translated_table(place: Place) -> str:
    node = place.node
    names = {
        item.optional_vars.id
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
        and text_mode(item.context_expr) is not None
        and argument(item.context_expr, "newline") is None
    }
    tables = (one for one in ast.walk(node) if called(one) in TABLES and one.args)
    bad = next((one for one in tables if ast.unparse(one.args[0]) in names), None)
    return f"{ast.unparse(bad)} takes a file whose line ends Python translates" if bad else ""


def _own_line_ends_of_tables(place: Place) -> str:
    writes = called(place.node) in ("writer", "DictWriter") and ast.unparse(place.node.func).startswith("csv.")
    return "csv writes \\r\\n by itself" if writes and argument(place.node, "lineterminator") is None else ""


def _foreign_module(place: Place) -> str:
    node = place.node
    names = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    bad = FOREIGN_MODULES & {name.partition(".")[0] for name in names}
    return f"not every system has the module {min(bad)}" if bad else ""


def _foreign_name(place: Place) -> str:
    node = place.node
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        bad = {node.attr} & FOREIGN_NAMES.get(node.value.id, set())
    elif isinstance(node, ast.ImportFrom):
        bad = {one.name for one in node.names} & FOREIGN_NAMES.get(node.module or "", set())
    else:
        return ""
    return f"not every system has {min(bad)}" if bad else ""


def _foreign_start(place: Place) -> str:
    starts = called(place.node) in ("get_context", "set_start_method")
    bad = starts and FOREIGN_STARTS & {one.value for one in place.node.args if isinstance(one, ast.Constant)}
    return f"{ast.unparse(place.node)} cannot be had on Windows" if bad else ""


def _foreign_place(place: Place) -> str:
    node = place.node
    is_path = isinstance(node.value, str) and FOREIGN_PLACES.match(node.value) and not re.search(r"\s", node.value)
    return f"{node.value!r} is a place of one system" if is_path else ""


def _foreign_program(place: Place) -> str:
    node = place.node
    if called(node) not in STARTERS or not ast.unparse(node.func).startswith(("subprocess.", "os.")):
        return ""
    bad = {word.arg for word in node.keywords} & FOREIGN_OPTIONS
    first = node.args[0].elts[:1] if node.args and isinstance(node.args[0], ast.List) else []
    bad |= {one.value for one in first if isinstance(one, ast.Constant)} & FOREIGN_PROGRAMS
    return f"{ast.unparse(node)} starts a process as one system does ({min(bad)})" if bad else ""


def _rename(place: Place) -> str:
    node = place.node
    bad = called(node) in ("rename", "renames") and isinstance(node.func, ast.Attribute)
    return f"{ast.unparse(node)} fails on Windows where the target exists" if bad else ""


def _link(place: Place) -> str:
    bad = called(place.node) in ("symlink", "symlink_to")
    return f"{ast.unparse(place.node)} needs rights on Windows that users do not have" if bad else ""


def _doubled_on_a_device(place: Place) -> str:
    node = place.node
    bad = called(node) == "cpu" and isinstance(node.func, ast.Attribute) and called(node.func.value) == "double"
    return f"{ast.unparse(node)} asks for float64 on the device, and Apple's GPUs have none" if bad else ""


def _reopened(place: Place) -> str:
    name = called(place.node)
    bad = name in ("NamedTemporaryFile", "mkstemp") or (name == "mktemp" and "tempfile" in ast.unparse(place.node))
    return f"{name} makes a file that Windows does not open twice, or that somebody else opens" if bad else ""


CALL, IMPORT, TEXT = (ast.Call,), (ast.Import, ast.ImportFrom), (ast.Constant,)
SKIP = "Ask for the system first (sys.platform, hasattr), or mark the test posix_only."
TRAPS = (
    Trap("encoding", CALL, _no_encoding, 'Say encoding="utf-8".'),
    Trap("newline", CALL, _own_newlines, 'Say newline="\\n", or use pylon_zoo.files.write_text.', shipped=True),
    Trap("table", (ast.With,), _translated_table, 'Open it with newline="".'),
    Trap("line ends", CALL, _own_line_ends_of_tables, 'Say lineterminator="\\n".', shipped=True),
    Trap("module", IMPORT, _foreign_module, SKIP, asked=True),
    Trap("name", (ast.Attribute, ast.ImportFrom), _foreign_name, SKIP, asked=True),
    Trap("start", CALL, _foreign_start, "Take spawn, which every system has.", asked=True),
    Trap("place", TEXT, _foreign_place, "Take os.devnull, tempfile or a folder given.", shipped=True, asked=True),
    Trap("program", CALL, _foreign_program, "Start sys.executable, and a list of words.", asked=True),
    Trap("rename", CALL, _rename, "Take replace.", shipped=True),
    Trap("link", CALL, _link, "Copy, or in tests take link of tests/support/systems.py.", asked=True),
    Trap("float64", CALL, _doubled_on_a_device, "Say .cpu().double()."),
    Trap("temporary", CALL, _reopened, "Take TemporaryDirectory, or TemporaryFile."),
)
TRAPS_OF = {kind: [trap for trap in TRAPS if kind in trap.of] for kind in {kind for trap in TRAPS for kind in trap.of}}
