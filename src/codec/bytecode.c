/*
** bytecode.c: which globals a dumped function names
** MIT licence, see LICENSE
**
** The compiler reads a global x as  GETTABUP _ENV "x".  When _ENV is a
** local variable, or the constant's number is high, the table is in a register
** first:  GETUPVAL r _ENV;  GETFIELD r "x"  or  LOADK c "x"; GETTABLE r c.
** So registers that hold the globals table, or a constant, are followed from
** instruction to instruction, as they stand in the code; jumps are not.
**
** The dump is our own process's: it is read with care, but not verified.
*/

#include "codec/bytecode.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"

/* The opcodes of 5.4.0 - 5.4.8 that matter here. */
enum opcode {
  OP_MOVE = 0,
  OP_LOADK = 3,
  OP_LOADKX = 4,
  OP_LOADNIL = 8,
  OP_GETUPVAL = 9,
  OP_SETUPVAL = 10,
  OP_GETTABUP = 11,
  OP_GETTABLE = 12,
  OP_GETFIELD = 14,
  OP_SETTABUP = 15,
  OP_SETFIELD = 18,
  OP_SELF = 20,
  OP_MMBIN = 46,
  OP_MMBINK = 48,
  OP_CLOSE = 54,
  OP_TEST = 66,
  OP_CALL = 68,
  OP_TAILCALL = 69,
  OP_RETURN = 70,
  OP_RETURN1 = 72,
  OP_TFORPREP = 75,
  OP_SETLIST = 78,
  OP_CLOSURE = 79,
  OP_VARARG = 80,
  OP_VARARGPREP = 81,
  OP_EXTRAARG = 82
};

enum { REGISTERS = 256, HEADER = 31, CODE_VERSION = 0x54, MAX_NESTING = 250 };

/* Which of 256 registers, or upvalues, hold the globals table. */
struct set {
  uint64_t bits[REGISTERS / 64];
};

static int has(const struct set *s, unsigned i) {
  return (int)(s->bits[i / 64 & 3] >> (i % 64) & 1);
}

static void put(struct set *s, unsigned i, int on) {
  uint64_t bit = UINT64_C(1) << (i % 64);
  if (on)
    s->bits[i / 64 & 3] |= bit;
  else
    s->bits[i / 64 & 3] &= ~bit;
}

struct string {
  size_t at, size;
  int is_string;
  int named; /* 1: as a global, 2: as a field */
};

struct reader {
  const unsigned char *start, *p, *end;
  struct mp_buf *out;
  int fields;
  int rc; /* negative: stop */
};

/* One function of the dump. */
struct function {
  const unsigned char *code;
  size_t ncode;
  struct string *constants;
  size_t nconstants;
  struct set env;       /* upvalues */
  struct set registers; /* at the current instruction */
  int constant_in[REGISTERS]; /* register -> constant, or -1 */
  struct set *nested;   /* registers when a nested function is made */
  size_t nnested;
};

/* --- the dump's numbers and strings --------------------------------------- */

static size_t left(const struct reader *r) {
  return (size_t)(r->end - r->p);
}

static void skip(struct reader *r, size_t n) {
  if (n > left(r)) {
    r->rc = -EINVAL;
    n = left(r);
  }
  r->p += n;
}

static size_t number(struct reader *r) {
  size_t v = 0;
  while (r->p < r->end) {
    unsigned char c = *r->p++;
    v = v << 7 | (c & 0x7F);
    if (c & 0x80)
      return v;
  }
  r->rc = -EINVAL;
  return 0;
}

static struct string string(struct reader *r) {
  struct string s = {0, 0, 1, 0};
  size_t size = number(r);
  s.at = (size_t)(r->p - r->start);
  s.size = size > 0 ? size - 1 : 0;
  skip(r, s.size);
  return s;
}

/* --- the instructions ----------------------------------------------------- */

static void name(struct reader *r, struct function *f, size_t constant,
                 int is_field) {
  if (constant >= f->nconstants || (is_field && !r->fields))
    return;
  struct string *s = &f->constants[constant];
  int bit = is_field ? 2 : 1;
  if (!s->is_string || (s->named & bit))
    return;
  s->named |= bit;
  struct mp_named n = {s->at, s->size, is_field};
  if (mp_buf_put(r->out, &n, sizeof n) < 0)
    r->rc = -ENOMEM;
}

/* _G is a name of the globals table itself. */
static int is_env_name(const struct reader *r, const struct function *f,
                       size_t constant) {
  if (constant >= f->nconstants)
    return 0;
  const struct string *s = &f->constants[constant];
  return s->is_string && s->size == 2 && memcmp(r->start + s->at, "_G", 2) == 0;
}

static void set_register(struct function *f, unsigned a, int env,
                         int constant) {
  put(&f->registers, a, env);
  f->constant_in[a & 255] = constant;
}

static void forget_from(struct function *f, unsigned a) {
  for (; a < REGISTERS; a++)
    set_register(f, a, 0, -1);
}

/* R[A] := table[constant] */
static void lookup(struct reader *r, struct function *f, unsigned a, int in_env,
                   size_t constant) {
  name(r, f, constant, !in_env);
  set_register(f, a, in_env && is_env_name(r, f, constant), -1);
}

/* Instructions whose A is no register that they set. */
static int sets_nothing(unsigned op) {
  return op == OP_SETUPVAL || (op >= OP_SETTABUP && op <= OP_SETFIELD) ||
         (op >= OP_MMBIN && op <= OP_MMBINK) ||
         (op >= OP_CLOSE && op <= OP_TEST) ||
         (op >= OP_RETURN && op <= OP_RETURN1) ||
         op == OP_TFORPREP || op == OP_SETLIST || op == OP_VARARGPREP ||
         op == OP_EXTRAARG;
}

static void instruction(struct reader *r, struct function *f, uint32_t i,
                        uint32_t next) {
  unsigned op = i & 0x7F, a = i >> 7 & 0xFF, b = i >> 16 & 0xFF,
           c = i >> 24 & 0xFF, k = i >> 15 & 1, bx = i >> 15;
  switch (op) {
  case OP_MOVE:
    set_register(f, a, has(&f->registers, b), f->constant_in[b]);
    break;
  case OP_LOADK:
    set_register(f, a, 0, (int)bx);
    break;
  case OP_LOADKX:
    set_register(f, a, 0, (int)(next >> 7));
    break;
  case OP_GETUPVAL:
    set_register(f, a, has(&f->env, b), -1);
    break;
  case OP_GETTABUP:
    lookup(r, f, a, has(&f->env, b), c);
    break;
  case OP_GETFIELD:
    lookup(r, f, a, has(&f->registers, b), c);
    break;
  case OP_GETTABLE:
    lookup(r, f, a, has(&f->registers, b), (size_t)f->constant_in[c]);
    break;
  case OP_SELF:
    lookup(r, f, a, has(&f->registers, b),
           k ? c : (size_t)f->constant_in[c]);
    set_register(f, a + 1, 0, -1);
    break;
  case OP_CLOSURE:
    if (bx < f->nnested)
      for (unsigned w = 0; w < REGISTERS / 64; w++)
        f->nested[bx].bits[w] |= f->registers.bits[w];
    set_register(f, a, 0, -1);
    break;
  case OP_LOADNIL:
  case OP_CALL:
  case OP_TAILCALL:
  case OP_VARARG:
    forget_from(f, a);
    break;
  default:
    if (!sets_nothing(op))
      set_register(f, a, 0, -1);
    break;
  }
}

static void instructions(struct reader *r, struct function *f) {
  forget_from(f, 0);
  for (size_t n = 0; n < f->ncode && r->rc == 0; n++) {
    uint32_t i, next = 0;
    memcpy(&i, f->code + 4 * n, 4);
    if (n + 1 < f->ncode)
      memcpy(&next, f->code + 4 * (n + 1), 4);
    instruction(r, f, i, next);
  }
}

/* --- functions ------------------------------------------------------------ */

enum constant_type {
  K_INTEGER = 0x03,
  K_FLOAT = 0x13,
  K_SHORT = 0x04,
  K_LONG = 0x14
};

static void constants(struct reader *r, struct function *f) {
  f->nconstants = number(r);
  if (f->nconstants > left(r)) {
    r->rc = -EINVAL;
    return;
  }
  f->constants = calloc(f->nconstants + 1, sizeof *f->constants);
  if (f->constants == NULL) {
    r->rc = -ENOMEM;
    return;
  }
  for (size_t i = 0; i < f->nconstants && r->rc == 0; i++) {
    unsigned char type = r->p < r->end ? *r->p : 0;
    skip(r, 1);
    if (type == K_INTEGER || type == K_FLOAT)
      skip(r, 8);
    else if (type == K_SHORT || type == K_LONG)
      f->constants[i] = string(r);
  }
}

/* Which upvalues hold the globals table, from what surrounds the function. */
static void upvalues(struct reader *r, struct function *f,
                     const struct function *outer, size_t which) {
  size_t n = number(r);
  for (size_t i = 0; i < n && i < REGISTERS && left(r) >= 3; i++) {
    const struct set *s = r->p[0] ? &outer->nested[which] : &outer->env;
    if (outer->nested != NULL)
      put(&f->env, (unsigned)i, has(s, r->p[1]));
    skip(r, 3);
  }
}

static void debug_part(struct reader *r) {
  skip(r, number(r)); /* line differences, a byte each */
  for (size_t n = number(r); n > 0 && r->rc == 0; n--) {
    number(r);
    number(r);
  }
  for (size_t n = number(r); n > 0 && r->rc == 0; n--) {
    string(r);
    number(r);
    number(r);
  }
  for (size_t n = number(r); n > 0 && r->rc == 0; n--)
    string(r);
}

static void function(struct reader *r, const struct function *outer,
                     size_t which, int depth);

static void body(struct reader *r, struct function *f,
                 const struct function *outer, size_t which, int depth) {
  string(r); /* source */
  number(r);
  number(r);
  skip(r, 3);
  f->ncode = number(r);
  if (f->ncode > left(r) / 4)
    r->rc = -EINVAL;
  if (r->rc < 0)
    return;
  f->code = r->p;
  skip(r, 4 * f->ncode);
  constants(r, f);
  upvalues(r, f, outer, which);
  f->nnested = number(r);
  if (r->rc < 0 || f->nnested > left(r) || depth > MAX_NESTING)
    return;
  f->nested = calloc(f->nnested + 1, sizeof *f->nested);
  if (f->nested == NULL) {
    r->rc = -ENOMEM;
    return;
  }
  instructions(r, f);
  for (size_t i = 0; i < f->nnested && r->rc == 0; i++)
    function(r, f, i, depth + 1);
  debug_part(r);
}

static void function(struct reader *r, const struct function *outer,
                     size_t which, int depth) {
  struct function *f = calloc(1, sizeof *f);
  if (f == NULL) {
    r->rc = -ENOMEM;
    return;
  }
  if (outer->nested == NULL)
    f->env = outer->env;
  body(r, f, outer, which, depth);
  free(f->nested);
  free(f->constants);
  free(f);
}

int mp_bytecode_names(const unsigned char *dump, size_t size,
                      const unsigned char *is_env, int fields,
                      struct mp_buf *out) {
  struct reader r = {dump, dump, dump + size, out, fields, 0};
  struct function root;
  if (size <= HEADER || memcmp(dump, LUA_SIGNATURE, 4) != 0 ||
      dump[4] != CODE_VERSION)
    return 0;
  memset(&root, 0, sizeof root);
  r.p += HEADER; /* and with it comes the number of upvalues, a byte */
  unsigned n = *r.p++;
  for (unsigned i = 0; i < n; i++)
    put(&root.env, i, is_env[i] != 0);
  function(&r, &root, 0, 0);
  return r.rc == -ENOMEM ? -ENOMEM : 0;
}
