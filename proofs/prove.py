#!/usr/bin/env python3
"""Proves every `prove.*` function of an LLVM module to be true for all inputs.

    prove.py MODULE.ll [--only REGEX] [--skip REGEX] [--limit SECONDS] [--jobs N]

A function takes the address of an array of 64-bit words and returns a bit. It is
executed symbolically: paths are merged where they join, so that one formula comes
out; an SMT solver then looks for words for which the bit is 0, or for which
`unreachable` is reached. None is a proof for all inputs.
"""

import argparse
import multiprocessing
import re
import sys
import tempfile
import time

import z3

try:
    import bitwuzla
except ImportError:
    # The formulas are z3's; where the other solver is there, it is the faster one.
    bitwuzla = None

IDENT = r'("[^"]+"|[-\w.$]+)'
LABEL = re.compile(f'^{IDENT}:')
FLAGS = re.compile(r'^(?:nuw|nsw|exact|disjoint|samesign|nneg|inbounds|nusw) ')
ONE_OPERAND = ('negate', 'sync', 'sign_extend', 'low', 'byte_swap', 'step')
TRUE = z3.BoolVal(True)


def split(text):
    """At commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in '([{<':
            depth += 1
        elif char in ')]}>':
            depth -= 1
        elif char == ',' and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    last = text[start:].strip()
    return parts + [last] if last else parts


class Function:
    """Blocks of instructions, in reverse post-order."""

    def __init__(self, params):
        self.params = params
        self.blocks = {}
        self.entry = None
        self.rank = {}

    def finish(self):
        order, seen = [], {self.entry}
        stack = [(self.entry, iter(self.successors(self.entry)))]
        while stack:
            block, rest = stack[-1]
            for following in rest:
                if following not in seen:
                    seen.add(following)
                    stack.append((following, iter(self.successors(following))))
                    break
            else:
                order.append(block)
                stack.pop()
        self.rank = {block: at for at, block in enumerate(reversed(order))}

    def successors(self, block):
        return re.findall(f'label %{IDENT}', self.blocks[block][-1])


def constant_bytes(text):
    """The bytes between the quotes of `c"..."`."""
    parts = re.findall(r'\\([0-9A-F]{2})|(.)', text, re.DOTALL)
    return [int(code, 16) if code else ord(char) for code, char in parts]


def parse(path):
    """Functions, and constants as bytes, by name."""
    functions, constants, current, block = {}, {}, None, None
    with open(path, encoding='utf-8') as file:
        lines = iter(file.read().split('\n'))
    for line in lines:
        if line.startswith('define'):
            name, params = re.search(f'@{IDENT}\\((.*)\\)[^)]*{{', line).groups()
            current = functions[name] = Function([arg.split()[-1] for arg in split(params)])
            block = None
        elif current is not None and line == '}':
            current.finish()
            current = None
        elif current is not None and line:
            label = LABEL.match(line)
            if label:
                block = label.group(1)
                current.blocks[block] = []
                current.entry = current.entry or block
                continue
            text = line.strip()
            if text.startswith(';'):
                continue
            if text.startswith('switch') and ']' not in text:
                for more in lines:
                    text += ' ' + more.strip()
                    if ']' in more:
                        break
            current.blocks[block].append(re.sub(r',? ![\w.]+(?: !\d+)?', '', text))
        elif line.startswith('@'):
            constant = re.match(f'@{IDENT} = .*constant \\[\\d+ x i8\\] c"(.*)", align', line)
            alias = re.match(f'@{IDENT} = .*alias .*, ptr @{IDENT}$', line)
            if constant:
                constants[constant.group(1)] = constant_bytes(constant.group(2))
            if alias:
                functions[alias.group(1)] = alias.group(2)
    for name, function in functions.items():
        if isinstance(function, str):
            functions[name] = functions[function]
    return functions, constants


def bits(kind):
    return int(kind[1:])


def as_vector(value, width):
    if z3.is_bool(value):
        return z3.If(value, z3.BitVecVal(1, width), z3.BitVecVal(0, width))
    return value


def choose(cond, a, b):
    """`a` where `cond` holds, else `b`."""
    if a is b or b is None:
        return a
    if a is None:
        return b
    if isinstance(a, list):
        return ([(z3.And(cond, c), o, f) for c, o, f in a]
                + [(z3.And(z3.Not(cond), c), o, f) for c, o, f in b])
    if isinstance(a, tuple):
        return tuple(choose(cond, x, y) for x, y in zip(a, b))
    return a if a.eq(b) else z3.If(cond, a, b)


def alternatives(expr):
    """The constants that an expression may be, and when: it is one for either
    value of each condition in it."""
    constant = z3.simplify(expr)
    if z3.is_bv_value(constant):
        return [(constant.as_signed_long(), TRUE)]
    todo = [expr]
    while todo:
        part = todo.pop()
        if part.decl().kind() == z3.Z3_OP_ITE:
            cond = part.arg(0)
            return [(at, z3.And(side, when))
                    for side, value in ((cond, TRUE), (z3.Not(cond), z3.BoolVal(False)))
                    for at, when in alternatives(z3.substitute(expr, (cond, value)))]
        todo += part.children()
    raise SystemExit('an index that is not one of a few constants')


class Memory:
    """Objects of slots: offset to (bytes, value). Slots are never changed, only
    replaced, so that copies can share them."""

    def __init__(self, objects=None):
        self.objects = objects or {}

    def copy(self):
        return Memory(dict(self.objects))

    @staticmethod
    def byte(slots, offset):
        for start, (size, value) in slots.items():
            if start <= offset < start + size:
                at = 8 * (offset - start)
                return z3.Extract(at + 7, at, value) if size > 1 else value
        return None

    def load(self, obj, offset, size):
        slots = self.objects.get(obj, {})
        found = slots.get(offset)
        if found and found[0] == size:
            return found[1]
        parts = [self.byte(slots, offset + at) for at in range(size)]
        # What was never written is any value; no code may depend on it.
        parts = [z3.FreshConst(z3.BitVecSort(8)) if part is None else part for part in parts]
        return z3.simplify(z3.Concat(*reversed(parts))) if size > 1 else parts[0]

    def store(self, obj, offset, size, value):
        slots = dict(self.objects.get(obj, {}))
        for start, (length, old) in list(slots.items()):
            if start < offset + size and offset < start + length:
                del slots[start]
                for at in range(length):
                    if not offset <= start + at < offset + size:
                        slots[start + at] = (1, z3.Extract(8 * at + 7, 8 * at, old))
        slots[offset] = (size, value)
        self.objects[obj] = slots

    def merge(self, cond, other):
        """This memory where `cond` holds, else `other`."""
        merged = Memory(dict(other.objects))
        for obj, mine in self.objects.items():
            theirs = other.objects.get(obj)
            if theirs is None or theirs is mine:
                merged.objects[obj] = mine
                continue
            out = {}
            for offset, (size, value) in mine.items():
                if offset in theirs and theirs[offset][0] == size:
                    out[offset] = (size, choose(cond, value, theirs[offset][1]))
            covered = {o + i for o, (n, _) in out.items() for i in range(n)}
            places = {o + i for s in (mine, theirs) for o, (n, _) in s.items() for i in range(n)}
            for place in places - covered:
                both = self.byte(mine, place), self.byte(theirs, place)
                out[place] = (1, choose(cond, *both))
            merged.objects[obj] = out
        return merged


# Functions from a set to a set or none, which keep members, as `lemma.*` of the
# module says. Their own bodies are proven to do so (`keeps.*`), and callers see of
# them no more than that.
SUMMARIES = {'sync': r'Scalar.*4sync17h', 'sync_once': r'Scalar.*9sync_once17h'}
SET_WORDS, OPTION_WORDS = 10, 11
# Properties that are too much at once: what is synchronised is proven part by part first.
IN_PARTS = r'^prove\.alu\.(Add|Sub)\..*\.64$'


class Machine:
    """Executes functions on symbolic words."""

    def __init__(self, functions, width, summarised, tracked):
        self.functions, self.width = functions, width
        self.summarised = [SUMMARIES[name] for name in summarised]
        # Numbers that summarised functions are said to keep.
        self.tracked = tracked
        self.assumed = []
        # What is to be proven of sets before they are summarised, part by part.
        self.cuts = []
        self.objects = 0
        # When something is reached that must not be.
        self.bad = []

    def new_object(self):
        self.objects += 1
        return self.objects

    def value(self, kind, text, env):
        if text[0] == '%':
            return env[text]
        if text[0] == '@':
            return [(TRUE, text[1:], 0)]
        if kind == 'i1':
            return z3.BoolVal(text in ('true', '1'))
        if text in ('undef', 'poison'):
            return z3.FreshConst(z3.BitVecSort(bits(kind)))
        return z3.BitVecVal(int(text), bits(kind))

    def summary(self, args, memory, inside):
        """In place of a function that keeps members: any result that does."""
        (_, out, at), = args[0]
        for name in sorted(FUNCTIONS):
            if name.startswith('part.') and width_of(name) == self.width and self.tracked:
                held, _ = self.run(name, [args[1], self.tracked[-1]], memory.copy(), TRUE)
                self.cuts.append((name, z3.Implies(inside, held)))
        for word in range(OPTION_WORDS):
            memory.store(out, at + 8 * word, 8, z3.FreshConst(z3.BitVecSort(64)))
        for number in self.tracked:
            self.assumed.append(self.lemma(args[1], args[0], number, memory))
        return None, memory

    def lemma(self, before, after, number, memory):
        held, _ = self.run(f'lemma.{self.width}', [before, after, number], memory.copy(), TRUE)
        return held

    def run(self, name, args, memory, inside):
        """The result of a function, and memory behind it."""
        if any(re.search(pattern, name) for pattern in self.summarised):
            return self.summary(args, memory.copy(), inside)
        function = self.functions[name]
        env = dict(zip(function.params, args))
        pending = {function.entry: [(TRUE, env, memory, None)]}
        results, visits = [], {}
        while pending:
            block = min(pending, key=function.rank.get)
            states = pending.pop(block)
            visits[block] = visits.get(block, 0) + 1
            cond = z3.simplify(z3.Or(*[state[0] for state in states]))
            if z3.is_false(cond):
                continue
            if visits[block] > 16 and not self.possible(cond):
                continue
            if visits[block] > 130:
                raise SystemExit(f'{name}: a loop without an end')
            env, memory = self.join(function.blocks[block], states)
            self.block(function, block, cond, env, memory, pending, results, inside)
        result = memory = None
        for cond, value, after in results:
            result = choose(cond, value, result)
            memory = after if memory is None else after.merge(cond, memory)
        return result, memory

    @staticmethod
    def possible(cond):
        solver = z3.SolverFor('QF_BV')
        solver.add(cond)
        return solver.check() != z3.unsat

    def join(self, lines, states):
        """One state of several, with the values of phis."""
        phis = []
        for line in lines:
            found = re.match(r'(%\S+) = phi (\w+) (.*)', line)
            if not found:
                break
            incoming = re.findall(f'\\[ ([^,]+), %{IDENT} \\]', found.group(3))
            phis.append((found.group(1), found.group(2), {b: v.strip() for v, b in incoming}))
        merged = memory = None
        for cond, env, after, before in states:
            chosen = {target: self.value(kind, incoming[before], env)
                      for target, kind, incoming in phis}
            env = {**env, **chosen}
            if merged is None:
                merged, memory = env, after.copy()
                continue
            for key, value in env.items():
                merged[key] = choose(cond, value, merged.get(key))
            memory = after.merge(cond, memory)
        return merged, memory

    def block(self, function, block, cond, env, memory, pending, results, inside):
        def go(label, when):
            path = z3.simplify(z3.And(cond, when))
            if not z3.is_false(path):
                pending.setdefault(label, []).append((path, env, memory, block))

        for line in function.blocks[block]:
            if line.startswith('br '):
                labels = re.findall(f'label %{IDENT}', line)
                if len(labels) == 1:
                    return go(labels[0], TRUE)
                test = self.value('i1', split(line[6:])[0], env)
                go(labels[0], test)
                return go(labels[1], z3.Not(test))
            if line.startswith('switch'):
                kind, value = re.match(r'switch (\w+) ([^\s,]+)', line).groups()
                value = self.value(kind, value, env)
                others = []
                for number, label in re.findall(f'i\\d+ (-?\\d+), label %{IDENT}', line):
                    same = value == z3.BitVecVal(int(number), bits(kind))
                    others.append(z3.Not(same))
                    go(label, same)
                return go(re.search(f'label %{IDENT}', line).group(1), z3.And(*others))
            if line.startswith('ret'):
                parts = line.split()
                value = None if parts[1] == 'void' else self.value(parts[1], parts[2], env)
                return results.append((cond, value, memory))
            if line.startswith('unreachable'):
                return self.bad.append(z3.And(inside, cond))
            self.step(line, env, memory, z3.And(inside, cond))
        raise SystemExit(f'a block without an end: {block}')

    def step(self, line, env, memory, inside):
        found = re.match(f'(%{IDENT}) = (.*)', line)
        target, text = (found.group(1), found.group(3)) if found else (None, line)
        text = re.sub(r'^(tail|musttail|notail) ', '', text)
        op, _, rest = text.partition(' ')
        if op == 'phi':
            return
        if op == 'call':
            value = self.call(rest, env, memory, inside)
        elif op == 'store':
            self.store(rest, env, memory)
            return
        else:
            value = self.operation(op, rest, env, memory)
        if target:
            env[target] = value

    def store(self, rest, env, memory):
        what, where = split(rest)[:2]
        kind, what = what.split()
        size = max(bits(kind) // 8, 1)
        value = as_vector(self.value(kind, what, env), 8 * size)
        for cond, obj, offset in self.value('ptr', where.split()[1], env):
            stored = value
            if not z3.is_true(z3.simplify(cond)):
                stored = choose(cond, value, memory.load(obj, offset, size))
            memory.store(obj, offset, size, stored)

    def operation(self, op, rest, env, memory):
        if op == 'alloca':
            return [(TRUE, self.new_object(), 0)]
        while FLAGS.match(rest):
            rest = FLAGS.sub('', rest)
        if op == 'load':
            kind, where = split(rest)[:2]
            size, out = max(bits(kind) // 8, 1), None
            for cond, obj, offset in self.value('ptr', where.split()[1], env):
                out = choose(cond, memory.load(obj, offset, size), out)
            return out != 0 if kind == 'i1' else out
        if op == 'getelementptr':
            kind, base, index = split(rest)
            size = {'i8': 1, 'i16': 2, 'i32': 4, 'i64': 8, 'i128': 16}[kind]
            base = self.value('ptr', base.split()[1], env)
            return [(z3.And(cond, when), obj, offset + size * at)
                    for at, when in alternatives(self.value(*index.split(), env))
                    for cond, obj, offset in base]
        if op == 'select':
            cond, a, b = split(rest)
            cond = self.value('i1', cond.split()[1], env)
            a, b = (self.value(*part.split(), env) for part in (a, b))
            return choose(cond, a, b)
        if op == 'freeze':
            return self.value(*rest.split(), env)
        if op in ('zext', 'sext', 'trunc'):
            return self.cast(op, rest, env)
        if op == 'extractvalue':
            value, index = split(rest)
            return env[value.split()[-1]][int(index)]
        if op == 'icmp':
            pred, rest = rest.split(' ', 1)
        kind, rest = rest.split(' ', 1)
        a, b = (self.value(kind, part, env) for part in split(rest))
        if op == 'icmp':
            if kind == 'i1':
                a, b = as_vector(a, 1), as_vector(b, 1)
            return COMPARISONS[pred](a, b)
        if kind == 'i1':
            return {'and': z3.And, 'or': z3.Or, 'xor': z3.Xor}[op](a, b)
        return ARITHMETIC[op](a, b)

    def cast(self, op, rest, env):
        kind, value, _, to = rest.split()
        value, width = self.value(kind, value, env), bits(to)
        if op == 'trunc':
            value = z3.Extract(width - 1, 0, value)
            return value == 1 if width == 1 else value
        if kind == 'i1':
            one = z3.BitVecVal(1 if op == 'zext' else -1, width)
            return z3.If(value, one, z3.BitVecVal(0, width))
        extend = z3.ZeroExt if op == 'zext' else z3.SignExt
        return extend(width - bits(kind), value)

    def call(self, rest, env, memory, inside):
        name, args = re.search(f'@{IDENT}\\((.*)\\)[^)]*$', rest).groups()
        if name.startswith(('llvm.lifetime', 'llvm.experimental.noalias', 'llvm.assume')):
            return None
        args = [self.argument(arg, env) for arg in split(args)]
        if name.startswith(('llvm.memcpy', 'llvm.memset')):
            self.move(name, args, memory)
            return None
        if name.startswith('llvm.'):
            return intrinsic('.'.join(name.split('.')[1:-1]), *args)
        value, after = self.run(name, args, memory, inside)
        if after is None:
            raise SystemExit(f'{name} never returns')
        memory.objects = dict(after.objects)
        return value

    def argument(self, text, env):
        place = re.search(f'getelementptr .*\\(i8, ptr @{IDENT}, i64 (\\d+)\\)', text)
        if place:
            return [(TRUE, place.group(1), int(place.group(2)))]
        words = text.split()
        return self.value(words[0], words[-1], env)

    @staticmethod
    def move(name, args, memory):
        size = z3.simplify(args[2]).as_long()
        (_, to, at), = args[0]
        step = 8 if size % 8 == 0 else 1
        for place in range(0, size, step):
            value = None
            if name.startswith('llvm.memset'):
                value = z3.Concat(*[args[1]] * step) if step > 1 else args[1]
            else:
                for cond, obj, offset in args[1]:
                    value = choose(cond, memory.load(obj, offset + place, step), value)
            memory.store(to, at + place, step, value)


COMPARISONS = {
    'eq': lambda a, b: a == b, 'ne': lambda a, b: a != b,
    'ult': z3.ULT, 'ule': z3.ULE, 'ugt': z3.UGT, 'uge': z3.UGE,
    'slt': lambda a, b: a < b, 'sle': lambda a, b: a <= b,
    'sgt': lambda a, b: a > b, 'sge': lambda a, b: a >= b,
}

ARITHMETIC = {
    'add': lambda a, b: a + b, 'sub': lambda a, b: a - b, 'mul': lambda a, b: a * b,
    'and': lambda a, b: a & b, 'or': lambda a, b: a | b, 'xor': lambda a, b: a ^ b,
    'shl': lambda a, b: a << b, 'lshr': z3.LShR, 'ashr': lambda a, b: a >> b,
    'udiv': z3.UDiv, 'urem': z3.URem, 'sdiv': lambda a, b: a / b, 'srem': z3.SRem,
}


def intrinsic(name, a, b=None, c=None):
    width = a.size()
    constant = lambda value: z3.BitVecVal(value, width)
    if name in ('umin', 'umax', 'smin', 'smax'):
        less = z3.ULT(a, b) if name[0] == 'u' else a < b
        return z3.If(less, a, b) if name.endswith('min') else z3.If(less, b, a)
    if name == 'abs':
        return z3.If(a < 0, -a, a)
    if name == 'bswap':
        return z3.Concat(*[z3.Extract(i + 7, i, a) for i in range(0, width, 8)])
    if name == 'ctpop':
        ones = (z3.ZeroExt(width - 1, z3.Extract(i, i, a)) for i in range(width))
        return sum(ones, constant(0))
    if name == 'ctlz':
        out = constant(width)
        for i in range(width):
            out = z3.If(z3.Extract(i, i, a) == 1, constant(width - 1 - i), out)
        return out
    if name in ('fshl', 'fshr'):
        by = z3.ZeroExt(width, z3.URem(c, constant(width)))
        double = z3.Concat(a, b)
        if name == 'fshl':
            return z3.Extract(2 * width - 1, width, double << by)
        return z3.Extract(width - 1, 0, z3.LShR(double, by))
    # With more bits nothing overflows.
    signed, op, more = name[0] == 's', name[1:4], name[5:]
    extend = z3.SignExt if signed else z3.ZeroExt
    extra = width if op == 'mul' else 2
    wide = ARITHMETIC[op](extend(extra, a), extend(extra, b))
    out = z3.Extract(width - 1, 0, wide)
    over = extend(extra, out) != wide
    if more == 'with.overflow':
        return (out, over)
    if more != 'sat':
        raise SystemExit(f'llvm.{name} is not known')
    if signed:
        end = z3.If(wide < 0, constant(1 << (width - 1)), constant((1 << (width - 1)) - 1))
    else:
        end = constant(0) if op == 'sub' else constant(-1)
    return z3.If(over, end, out)


def words_of(width, sets, numbers):
    """Any words at all for so many sets and numbers. Those of fewer bits are
    extended, as they are in every set; all else is taken to be no set."""
    words = []
    for at in range(SET_WORDS * sets + numbers):
        operand = at % SET_WORDS if at < SET_WORDS * sets else 0
        size = width // 2 if operand >= 6 else width
        word = z3.BitVec(f'w{at}', size)
        extend = z3.SignExt if operand in (4, 5, 8, 9) else z3.ZeroExt
        words.append(extend(64 - size, word) if size < 64 else word)
    return words


def width_of(name):
    return 64 if 'byte_swap' in name else int(name.split('.')[-1])


def reachable(name):
    """Functions that a function calls, directly or not."""
    seen, todo = set(), [name]
    while todo:
        name = todo.pop()
        if name in seen or name not in FUNCTIONS:
            continue
        seen.add(name)
        for lines in FUNCTIONS[name].blocks.values():
            for line in lines:
                called = re.search(f'call .*@{IDENT}\\(', line)
                if called:
                    todo.append(called.group(1))
    return seen


def start(machine, words):
    memory, source = Memory(), machine.new_object()
    for constant, content in CONSTANTS.items():
        slots = {at: (1, z3.BitVecVal(byte, 8)) for at, byte in enumerate(content)}
        memory.objects[constant] = slots
    for at, word in enumerate(words):
        memory.store(source, 8 * at, 8, word)
    return memory, [(TRUE, source, 0)]


def property_holds(name):
    """A `prove.*` function, as a formula that must hold."""
    one = name.split('.')[1] in ONE_OPERAND
    words = words_of(width_of(name), *((1, 2) if one else (2, 3)))
    tracked = words[SET_WORDS:] if one else words[2 * SET_WORDS:]
    machine = Machine(FUNCTIONS, width_of(name), ('sync', 'sync_once'), tracked)
    memory, source = start(machine, words)
    held, _ = machine.run(name, [source], memory, TRUE)
    return machine, held


def keeps_members(name):
    """That a summarised function keeps members, as a formula that must hold."""
    _, short, width = name.split('.')
    pattern = SUMMARIES[short]
    found = [f for f in reachable(f'prove.sync.{width}') if re.search(pattern, f)]
    if not found:
        found = [f for f in reachable(f'prove.meet.{width}') if re.search(pattern, f)]
    words = words_of(int(width), 1, 1)
    summarised = ('sync_once',) if short == 'sync' else ()
    machine = Machine(FUNCTIONS, int(width), summarised, words[SET_WORDS:])
    memory, source = start(machine, words)
    out = [(TRUE, machine.new_object(), 0)]
    _, after = machine.run(found[0], [out, source], memory, TRUE)
    return machine, machine.lemma(source, out, words[-1], after)


def solve(name, machine, held, seconds):
    """`proven`, `FALSE` or `undecided`."""
    # `simplify` leaves no connective with one operand, which other solvers refuse.
    wrong = z3.simplify(z3.Or(z3.Not(held), *machine.bad))
    assumed = [z3.simplify(part) for part in machine.assumed]
    if not re.search(IN_PARTS, name):
        return decide(assumed + [wrong], seconds)
    # Suppose it is wrong. Then each part holds all the same; and with all of them it is
    # not wrong.
    for part, cut in machine.cuts:
        cut = z3.simplify(cut)
        if z3.is_true(cut):
            continue
        verdict = decide([wrong, z3.simplify(z3.Not(cut))], seconds)
        if verdict != 'proven':
            return f'{verdict}: {part}'
        assumed.append(cut)
    return decide(assumed + [wrong], seconds)


def decide(parts, seconds):
    """Whether the formulas cannot all hold."""
    if bitwuzla is None:
        solver = z3.SolverFor('QF_BV')
        solver.set('timeout', 1000 * seconds)
        solver.add(*parts)
        return {'unsat': 'proven', 'sat': 'FALSE'}.get(str(solver.check()), 'undecided')
    writer = z3.Solver()
    writer.add(*parts)
    lines = writer.to_smt2().split('\n')
    lines = [line for line in lines if not line.startswith((';', '(set-info', '(check-sat'))]
    with tempfile.NamedTemporaryFile('w', suffix='.smt2') as file:
        # The solver's own names of divisions whose divisor is not 0.
        text = re.sub(r'\b(bv[us](?:div|rem))_i\b', r'\1', '\n'.join(lines))
        file.write('(set-logic QF_BV)\n' + text)
        file.flush()
        options = bitwuzla.Options()
        options.set(bitwuzla.Option.TIME_LIMIT_PER, 1000 * seconds)
        parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
        parser.parse(file.name)
    solver = parser.bitwuzla()
    if not solver.get_assertions():
        raise SystemExit('the formula was lost on the way')
    return {'unsat': 'proven', 'sat': 'FALSE'}.get(str(solver.check_sat()), 'undecided')


def prove(job):
    name, seconds = job
    began = time.process_time()
    build = keeps_members if name.startswith('keeps') else property_holds
    machine, held = build(name)
    verdict = solve(name, machine, held, seconds)
    return name, verdict, time.process_time() - began


FUNCTIONS, CONSTANTS = {}, {}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument('module')
    arguments.add_argument('--only', default='')
    arguments.add_argument('--skip')
    arguments.add_argument('--limit', type=int, default=60, help='seconds for each')
    arguments.add_argument('--jobs', type=int, default=2)
    options = arguments.parse_args()
    for known, parsed in zip((FUNCTIONS, CONSTANTS), parse(options.module)):
        known.update(parsed)
    widths = sorted({width_of(name) for name in FUNCTIONS if name.startswith('lemma.')})
    wanted = [f'keeps.{name}.{width}' for width in widths for name in SUMMARIES]
    wanted += sorted(name for name in FUNCTIONS if name.startswith('prove.'))
    wanted = [name for name in wanted if re.search(options.only, name)]
    if options.skip:
        wanted = [name for name in wanted if not re.search(options.skip, name)]
    if not wanted:
        sys.exit('nothing to prove')
    failed = 0
    with multiprocessing.get_context('fork').Pool(options.jobs, maxtasksperchild=1) as pool:
        jobs = [(name, options.limit) for name in wanted]
        for name, verdict, took in pool.imap_unordered(prove, jobs):
            failed += verdict != 'proven'
            print(f'{name:32} {verdict:10} {took:6.1f} s', flush=True)
    print(f'{len(wanted) - failed} of {len(wanted)} proven')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
