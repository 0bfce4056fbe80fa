"""gdb commands for the fibers of a program that uses ringo, in a process or in a core file.

    source ringo_gdb.py

    ringo fibers [REGEX]    all fibers; or those of which name, state, wait or place match
    ringo bt ID|all [...]   backtrace of a fiber's own stack; the rest are arguments of `backtrace`
    ringo fiber ID          look at that fiber: `bt`, `up`, `down`, `info locals` are about it
    ringo fiber             back to where one was

How: the library holds a table, `ringo_fiber_layout` (lib/fiber/fiber_layout.hpp), of where its fibers
are and what lies where in them, so that none of its debug information is needed. Nothing is written to the
process and nothing runs in it. A stack at rest is shown by an unwinder that claims the innermost frame of
the selected thread and says that its caller is where the fiber stopped; this works for core files too.
"""
import bisect
import functools
import itertools
import os
import re
import struct

import gdb
import gdb.unwinder

LAYOUT = struct.Struct("<8sQQ12I")
LAYOUT_NAMES = ("magic", "chunks", "resumes", "chunk_blocks", "fiber_size", "resume_at", "state", "stack_size_log2",
                "is_thread", "kind", "stack_base", "id", "name", "spawn_site", "kind_reason")
MAGIC = b"ringo f1"

UNUSED, RUNNABLE, RUNNING, PARKED, LOST = range(5)  # fiber_state
STATE_NAMES = ("unused", "runnable", "running", "parked", "lost")

SAVED = ("r12", "r13", "r14", "r15", "rbx", "rbp")  # by jump_fcontext, in this order
BEFORE_SAVED_MAX = 3  # words in front of them: depends on the version of Boost
NAME_MAX = 256
FRAMES_MAX = 200  # that are looked at for a place
SYSTEM_LIBRARIES = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
PLUMBING = ("ringo::", "ringo_", "std::", "jump_fcontext", "make_fcontext")


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def read_words(address, count):
    return struct.unpack(f"<{count}Q", read(address, 8 * count))


def read_text(address):
    """A text that ends with a null; as much of it as can be read."""
    text = b""
    try:
        while len(text) < NAME_MAX and b"\0" not in text:
            text += read(address + len(text), 1)
    except gdb.MemoryError:
        pass
    return text.split(b"\0")[0].decode(errors="replace")


# Names and places.

def short(name):
    return name.replace("(anonymous namespace)::", "")


def bare_name(name):
    """A function's qualified name without template arguments, parameters and return type."""
    out, depth = "", 0
    for c in name.replace("(anonymous namespace)", "{anonymous}"):
        if c == "(" and depth == 0 and not out.endswith("operator"):
            break
        depth += (c == "<") - (c == ">")
        if depth == 0 and c != ">":
            out += c
    return out.strip().split(" ")[-1]


@functools.lru_cache(None)
def library_sources():
    """The folder of ringo's own sources as they were compiled, or nothing."""
    try:
        for sal in gdb.decode_line("ringo::detail::park")[1] or ():
            path = sal.symtab.fullname() if sal.symtab else ""
            if path.endswith("/sched/worker.cpp"):
                return path[:-len("sched/worker.cpp")]
    except gdb.error:
        pass
    return ""


def is_foreign(sal):
    """A line not of the program, but of ringo or the system's headers."""
    path = sal.symtab.fullname() if sal.symtab else ""
    library = library_sources()
    return path.startswith("/usr/") or "/include/ringo/" in path or bool(library) and path.startswith(library)


def is_plumbing(frame):
    """Of ringo or what it uses, rather than of the program."""
    name = frame.name() or ""
    if frame.type() == gdb.INLINE_FRAME:
        if is_foreign(frame.find_sal()):
            return True
    else:
        library = gdb.solib_name(frame.pc())
        if library and library.startswith(SYSTEM_LIBRARIES):
            return True
        # Without full debug information a name may lack its namespaces; the linker's does not.
        name = linker_symbol(address_in(frame))[0] or name
    return not name or bare_name(name).startswith(PLUMBING)


@functools.lru_cache(None)
def linker_symbol(address):
    """The linker's name of a function, or nothing; and where it begins."""
    text = gdb.execute(f"info symbol {address:#x}", to_string=True)
    found = re.match(r"(.*?)(?: \+ (\d+))? in section ", text)
    return (found[1], address - int(found[2] or 0)) if found else ("", address)


def own_line(sal, address):
    """The program's own line at an address, or nothing. What is inlined from headers comes behind the line that calls
    it."""
    _, start = linker_symbol(address)
    while is_foreign(sal) and sal.pc > start:
        sal = gdb.find_pc_line(sal.pc - 1)
    if sal.symtab is None or sal.line == 0 or is_foreign(sal):
        return ""
    return f" at {os.path.basename(sal.symtab.filename)}:{sal.line}"


def address_in(frame):
    """In the call, where there is one: behind one that does not return may be another function."""
    return frame.pc() - (frame.level() > 0)


def place_of_frame(frame):
    return short(frame.name() or f"{frame.pc():#x}") + own_line(frame.find_sal(), address_in(frame))


@functools.lru_cache(None)
def spawned(site):
    """Where go() was called."""
    name = linker_symbol(site)[0]
    argument = re.search(r"<([^<>]+(?:<[^<>]*>[^<>]*)*)>", name)
    if bare_name(name).startswith(PLUMBING) and argument:
        name = argument[1]  # what calls it is inlined into a template of ringo
    return f"spawned in {short(name or hex(site))}{own_line(gdb.find_pc_line(site), site)}"


# The fibers.

def find_layout():
    if gdb.selected_inferior().pid == 0:
        raise gdb.GdbError("There is no process and no core file.")
    for name in ("ringo_fiber_layout", "ringo::detail::ringo_fiber_layout"):
        try:
            address = int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
        except gdb.error:
            continue
        break
    else:
        raise gdb.GdbError("No symbol ringo_fiber_layout: the program does not use ringo, or was stripped of all its "
                      "symbols (strip --strip-debug keeps what is needed).")
    layout = dict(zip(LAYOUT_NAMES, LAYOUT.unpack(read(address, LAYOUT.size))))
    if layout["magic"] != MAGIC:
        raise gdb.GdbError("This script is of another version than the program's ringo.")
    return layout


class Fiber:
    def __init__(self, layout, address, block):
        def number(field, size=8):
            at = layout[field]
            return int.from_bytes(block[at:at + size], "little")
        self.layout = layout
        self.address = address
        self.state = number("state", 1)
        self.is_thread = number("is_thread", 1) != 0
        self.id = number("id")
        self.name_at = number("name")
        self.kind = number("kind")
        self.spawn_site = number("spawn_site")
        self.base = number("stack_base")
        self.top = self.base + (1 << number("stack_size_log2", 1)) if self.base else 0
        self.resume_at = number("resume_at")
        self.thread = None  # on which it is

    @property
    def name(self):
        return read_text(self.name_at) if self.name_at else ""

    def wait(self):
        if self.thread is not None:
            return f"thread {self.thread.num}"
        if self.state != PARKED or self.kind == 0:
            return ""
        return read_text(read_words(self.kind + self.layout["kind_reason"], 1)[0])

    def state_name(self):
        if self.thread is not None:
            return "lost" if self.state == LOST else "running"
        if self.base == 0:
            return "not started"
        return "switching" if self.state == RUNNING else STATE_NAMES[self.state]

    def title(self):
        name = f' "{self.name}"' if self.name else ""
        wait = self.wait()
        site = "; " + spawned(self.spawn_site) if self.spawn_site else ""
        return f"fiber {self.id}{name}: {self.state_name()}" + (f", {wait}" if wait else "") + site

    def registers(self):
        """Where its stack at rest goes on, behind the switch."""
        if self.base == 0:
            raise gdb.GdbError(f"Fiber {self.id} has not started: it has no stack yet.")
        if self.layout["resumes"] == 0:
            raise gdb.GdbError("Stacks at rest can be shown on x86-64 only.")
        try:
            words = read_words(self.resume_at, BEFORE_SAVED_MAX + len(SAVED) + 2)
        except gdb.MemoryError:
            words = ()
        for before in range(1, BEFORE_SAVED_MAX + 1):
            behind = before + len(SAVED)
            if self.base <= self.resume_at < self.top and words[behind:behind + 1] == (self.layout["resumes"],):
                registers = dict(zip(SAVED, words[before:behind]))
                registers["rip"] = words[behind + 1]
                registers["rsp"] = self.resume_at + 8 * (behind + 2)
                return registers
        raise gdb.GdbError(f"Fiber {self.id} is between two stacks, or its memory is damaged or not in the core file.")


class Fibers:
    """All that are alive, as they are now."""

    def __init__(self):
        for cached in (library_sources, linker_symbol, spawned):
            cached.cache_clear()  # libraries may have come and gone
        self.layout = find_layout()
        self.fibers = sorted(self.read_all(), key=lambda f: f.id)
        self.stacks = sorted((f for f in self.fibers if f.base != 0), key=lambda f: f.base)
        self.bases = [f.base for f in self.stacks]
        with Selection():
            view.set(None)
            self.find_threads()

    def read_all(self):
        layout = self.layout
        begin, end = read_words(layout["chunks"], 2)
        if begin == end:
            return
        size = layout["fiber_size"]
        for chunk in read_words(begin, (end - begin) // 8):
            blocks = read(chunk, size * layout["chunk_blocks"])
            for at in range(0, len(blocks), size):
                if blocks[at + layout["state"]] != UNUSED:
                    fiber = Fiber(layout, chunk + at, blocks[at:at + size])
                    if not fiber.is_thread:
                        yield fiber

    def on_stack(self, address):
        at = bisect.bisect_right(self.bases, address) - 1
        return self.stacks[at] if at >= 0 and address < self.stacks[at].top else None

    def find_threads(self):
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            frame = gdb.newest_frame()
            # A signal handler has a stack of its own; the fiber's frames come behind it.
            for _ in range(FRAMES_MAX):
                fiber = frame and self.on_stack(int(frame.read_register("rsp")))
                if fiber or not frame:
                    break
                frame = frame.older()
            if fiber:
                fiber.thread = thread

    def by_id(self, text):
        if not text.isdigit():
            raise gdb.GdbError(f'"{text}" is no number of a fiber; `ringo fibers` lists them.')
        for fiber in self.fibers:
            if fiber.id == int(text):
                return fiber
        raise gdb.GdbError(f"There is no fiber {text}.")


# Looking at one.

class Selection:
    """The selected thread, view and frame; selected again at the end of a `with`."""

    def __init__(self):
        self.thread = gdb.selected_thread()
        self.view = view.state
        self.level = gdb.selected_frame().level() if self.thread else 0

    def restore(self):
        view.set(self.view)
        if self.thread is None or not self.thread.is_valid():
            return
        self.thread.switch()
        for frame in frames(gdb.newest_frame()):
            if frame.level() == self.level:
                frame.select()

    def __enter__(self):
        pass

    def __exit__(self, *_):
        self.restore()


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = gdb.Value(sp), gdb.Value(pc)


class View(gdb.unwinder.Unwinder):
    """Makes the stack of a fiber at rest appear behind the innermost frame of the selected thread."""

    def __init__(self):
        super().__init__("ringo")
        # Stack pointer of the innermost frame, what to tell gdb instead, registers of its caller. None: no view.
        self.state = None

    def set(self, state):
        if self.state is not state:
            self.state = state
            gdb.invalidate_cached_frames()
            hide_stand_in.enabled = state is not None

    def show(self, fiber):
        self.set(None)
        stand_in = int(gdb.newest_frame().read_register("rsp"))
        # gdb wants frames in the order of their addresses: this one is below the fiber's.
        self.set((stand_in, fiber.resume_at, fiber.registers()))

    def hides(self, frame):
        return self.state is not None and int(frame.read_register("rsp")) == self.state[0]

    def __call__(self, pending):
        if self.state is None or int(pending.read_register("rsp")) != self.state[0]:
            return None
        _, lowest, registers = self.state
        info = pending.create_unwind_info(FrameId(lowest, int(pending.read_register("rip"))))
        for name, value in registers.items():
            info.add_saved_register(name, gdb.Value(value))
        return info


class HideStandIn:
    """A frame filter: the innermost frame is the thread's, not the fiber's. Enabled only when there is one: any filter
    makes gdb print other names (it then takes a return address behind a call of abort() for the next function's)."""
    name, priority, enabled = "ringo", 100, False

    def filter(self, decorators):
        return itertools.dropwhile(lambda d: view.hides(d.inferior_frame()), decorators)


def frames(frame):
    while frame is not None:
        yield frame
        try:
            frame = frame.older()
        except gdb.error:
            return


def shown_frames(fiber):
    """Of the fiber that was turned to."""
    newest = gdb.newest_frame()
    if fiber.thread is None:
        return itertools.dropwhile(view.hides, frames(newest))
    return (f for f in frames(newest) if fiber.base <= int(f.read_register("rsp")) < fiber.top)


def turn_to(fiber):
    if fiber.thread is None:
        view.show(fiber)
    else:
        view.set(None)
        fiber.thread.switch()


def own_frame(fiber):
    """The innermost frame of the program's own, or of all when there is none."""
    innermost = None
    for frame in itertools.islice(shown_frames(fiber), FRAMES_MAX):
        innermost = innermost or frame
        if not is_plumbing(frame):
            return frame
    return innermost


def place_of_fiber(fiber):
    if fiber.base == 0:
        return ""
    try:
        turn_to(fiber)
        frame = own_frame(fiber)
        return place_of_frame(frame) if frame else ""
    except (gdb.error, gdb.GdbError):
        return "?"


# The commands.

class Prefix(gdb.Command):
    """Fibers of ringo."""


class ListFibers(gdb.Command):
    """List fibers: ringo fibers [REGEX]
With REGEX only those in whose line it is found."""

    HEADER = ("id", "name", "state", "waits for", "where")

    def __init__(self):
        super().__init__("ringo fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        try:
            wanted = re.compile(argument)
        except re.error as wrong:
            raise gdb.GdbError(f"{argument}: {wrong}")
        fibers = Fibers().fibers
        rows = [(str(f.id), f.name, f.state_name(), f.wait()) for f in fibers]
        widths = [max(map(len, column)) for column in zip(self.HEADER[:4], *rows)]
        self.print_row(self.HEADER, widths)
        with Selection():
            for fiber, row in zip(fibers, rows):
                parts = (place_of_fiber(fiber), fiber.spawn_site and spawned(fiber.spawn_site))
                where = ", ".join(filter(None, parts))
                if wanted.search(" ".join((*row, where))):
                    self.print_row((*row, where), widths)

    @staticmethod
    def print_row(row, widths):
        cells = [row[0].rjust(widths[0])] + [text.ljust(width) for text, width in zip(row[1:4], widths[1:])]
        gdb.write("  ".join((*cells, row[4])).rstrip() + "\n")


class Backtrace(gdb.Command):
    """Backtrace of a fiber: ringo bt ID|all [ARGUMENTS OF backtrace]"""

    def __init__(self):
        super().__init__("ringo bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, rest = argument.partition(" ")
        if not which:
            raise gdb.GdbError("ringo bt ID|all")
        fibers = Fibers()
        chosen = fibers.fibers if which == "all" else [fibers.by_id(which)]
        with Selection():
            for number, fiber in enumerate(chosen):
                gdb.write("\n" * (number > 0) + fiber.title() + "\n")
                try:
                    turn_to(fiber)
                except gdb.GdbError as failure:
                    gdb.write(f"{failure}\n")
                    continue
                gdb.execute(f"backtrace {rest}")


class SelectFiber(gdb.Command):
    """Look at a fiber: ringo fiber ID; or look no longer: ringo fiber
Only the view changes. Go back before you step: what runs is still the thread.
A process that goes on ends the view."""

    def __init__(self):
        super().__init__("ringo fiber", gdb.COMMAND_STACK)
        self.before = None
        for event in (gdb.events.cont, gdb.events.exited):
            event.connect(self.forget)

    def forget(self, _event):
        view.state = None  # gdb drops its frames itself
        hide_stand_in.enabled = False
        self.before = None

    def invoke(self, argument, from_tty):
        if not argument:
            if self.before is None:
                raise gdb.GdbError("No fiber was selected.")
            self.before.restore()
            self.before = None
        else:
            before = self.before or Selection()
            fiber = Fibers().by_id(argument.strip())
            turn_to(fiber)
            self.before = before
            frame = own_frame(fiber)
            if frame:
                frame.select()
            gdb.write(fiber.title() + "\n")
        gdb.execute("frame")


def install():
    gdb.unwinder.register_unwinder(None, view, replace=True)
    gdb.frame_filters[hide_stand_in.name] = hide_stand_in
    Prefix("ringo", gdb.COMMAND_STACK, prefix=True)
    for command in (ListFibers, Backtrace, SelectFiber):
        command()


view = View()
hide_stand_in = HideStandIn()
install()
