/* loop_print.c - loop IR as text: what `dlc build --emit loops` shows. Printed only, never read. */
#include "backend/loop.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 100, REMARK_COLUMN = 44 };

typedef enum { CALL, INFIX, PREFIX } Notation;
static const struct {
  const char *text;
  Notation notation;
} ops[LOOP_OPS] = {
#define LOOP_OP(name, text, operands, notation, result) {text, notation},
#include "backend/loop_ops.def"
#undef LOOP_OP
};

/* How tightly an expression holds together; what stands inside another must hold at least so. */
enum { PHRASE, DISJUNCTION, CONJUNCTION, COMPARISON, SHIFT, SUM, PRODUCT, SIGN, ATOM };

static int level(const LoopExpr *a) {
  switch (a->kind) {
  case LOOP_EXPR_ACCESS:
    return a->access->other ? PHRASE : ATOM;
  case LOOP_EXPR_REDUCE:
    return PHRASE;
  case LOOP_EXPR_SPLAT:
    return level(a->args[0]);
  case LOOP_EXPR_LITERAL:
    return a->number < 0 ? SIGN : ATOM;
  case LOOP_EXPR_OP:
    break;
  default:
    return ATOM;
  }
  switch (a->op) {
  case LOOP_OR:
  case LOOP_XOR:
    return DISJUNCTION;
  case LOOP_AND:
    return CONJUNCTION;
  case LOOP_EQ:
  case LOOP_NE:
  case LOOP_LT:
  case LOOP_LE:
  case LOOP_GT:
  case LOOP_GE:
    return COMPARISON;
  case LOOP_SHL:
  case LOOP_SHR:
    return SHIFT;
  case LOOP_ADD:
  case LOOP_SUB:
    return SUM;
  case LOOP_MUL:
  case LOOP_DIV:
  case LOOP_MOD:
    return PRODUCT;
  case LOOP_NEG:
  case LOOP_NOT:
    return SIGN;
  default:
    return ATOM;
  }
}

/* Is it written without blanks: 0.5*u, but 0.5 * (u + 1)? */
static bool is_tight(const LoopExpr *a) {
  if (a->kind == LOOP_EXPR_OP && level(a) == PRODUCT)
    return is_tight(a->args[0]) && is_tight(a->args[1]) && level(a->args[1]) > PRODUCT;
  return level(a) >= SIGN && a->kind != LOOP_EXPR_ACCESS;
}

static void print(Text *text, const LoopExpr *a, int least, bool in_index);

static void print_literal(Text *text, const LoopExpr *a) {
  switch (a->type.element) {
  case LOOP_F64:
    text_double(text, a->number);
    break;
  case LOOP_F32:
  case LOOP_F16:
  case LOOP_BF16:
    text_float(text, (float)a->number);
    break;
  case LOOP_BOOL:
    text_string(text, a->integer ? "true" : "false");
    break;
  default:
    text_format(text, "%lld", (long long)a->integer);
  }
}

static void print_access(Text *text, const LoopExpr *expr) {
  const LoopAccess *a = expr->access;
  text_string(text, a->buffer->name);
  if (a->buffer->rank == 0) return;
  bool gathers = false;
  for (int axis = 0; axis < a->buffer->rank; axis++) gathers |= a->index[axis]->type.lanes != 1;
  text_char(text, '[');
  for (int axis = 0; axis < a->buffer->rank; axis++) {
    if (axis) text_string(text, ", ");
    const LoopExpr *index = a->index[axis];
    print(text, index, PHRASE, true);
    if (axis != a->axis) continue;
    if (expr->type.lanes != 1 && !gathers)
      text_format(text, level(index) == ATOM ? ":%d" : " : %d", expr->type.lanes);
    if (a->stride != 1) text_format(text, ":%lld", (long long)a->stride);
    if (a->bound) {
      text_string(text, " below ");
      print(text, a->bound, SUM, true);
    }
  }
  if (a->mask) {
    text_string(text, " where ");
    print(text, a->mask, DISJUNCTION, false);
  }
  text_char(text, ']');
  if (!a->other) return;
  text_string(text, " else ");
  print(text, a->other, DISJUNCTION, false);
}

static void print_op(Text *text, const LoopExpr *a, bool in_index) {
  int own = level(a);
  switch (ops[a->op].notation) {
  case PREFIX:
    text_string(text, ops[a->op].text);
    print(text, a->args[0], SIGN, in_index);
    return;
  case INFIX: {
    bool negative = a->op == LOOP_ADD && a->args[1]->kind == LOOP_EXPR_LITERAL &&
                    !loop_element_is_float(a->args[1]->type.element) && a->args[1]->integer < 0;
    bool tight = own == PRODUCT ? in_index || is_tight(a) : own == SUM && in_index;
    print(text, a->args[0], own, in_index);
    text_format(text, tight ? "%s" : " %s ", negative ? "-" : ops[a->op].text);
    if (negative)
      text_format(text, "%llu", 0 - (unsigned long long)a->args[1]->integer);
    else
      print(text, a->args[1], own + 1, in_index);
    return;
  }
  case CALL:
    break;
  }
  text_format(text, "%s(", ops[a->op].text);
  for (int i = 0; i < 3 && a->args[i]; i++) {
    if (i) text_string(text, ", ");
    print(text, a->args[i], PHRASE, false);
  }
  text_char(text, ')');
}

static const char *over(LoopOp op) {
  switch (op) {
  case LOOP_ADD:
    return "sum";
  case LOOP_MUL:
    return "product";
  case LOOP_AND:
    return "all";
  case LOOP_OR:
    return "any";
  default:
    return ops[op].text;
  }
}

static void print_call(Text *text, const char *name, const LoopExpr *of) {
  text_format(text, "%s(", name);
  print(text, of, PHRASE, false);
  text_char(text, ')');
}

static void print_bare(Text *text, const LoopExpr *a, bool in_index) {
  switch (a->kind) {
  case LOOP_EXPR_LITERAL:
    print_literal(text, a);
    break;
  case LOOP_EXPR_DIM:
  case LOOP_EXPR_GIVEN:
  case LOOP_EXPR_VARIABLE:
    text_string(text, a->name);
    break;
  case LOOP_EXPR_COUNT:
    text_format(text, "%lld", (long long)a->integer);
    break;
  case LOOP_EXPR_REGISTER:
    text_string(text, a->name);
    if (!a->row) break;
    text_char(text, '[');
    print(text, a->row, PHRASE, true);
    text_char(text, ']');
    break;
  case LOOP_EXPR_ACCESS:
    print_access(text, a);
    break;
  case LOOP_EXPR_OP:
    print_op(text, a, in_index);
    break;
  case LOOP_EXPR_CAST:
    print_call(text, loop_element_name(a->type.element), a->args[0]);
    break;
  case LOOP_EXPR_BITS:
    text_string(text, loop_element_name(a->type.element));
    print_call(text, "_bits", a->args[0]);
    break;
  case LOOP_EXPR_SPLAT:
    print(text, a->args[0], PHRASE, in_index);
    break;
  case LOOP_EXPR_IOTA:
    text_string(text, in_index ? "" : "(");
    print(text, a->args[0], SUM, true);
    text_format(text, level(a->args[0]) == ATOM ? ":%d" : " : %d", a->type.lanes);
    text_string(text, in_index ? "" : ")");
    break;
  case LOOP_EXPR_INSIDE:
    print_call(text, "inside", a->args[0]);
    break;
  case LOOP_EXPR_LANE:
    print(text, a->args[0], ATOM, false);
    text_string(text, "[lane ");
    print(text, a->args[1], PHRASE, true);
    text_char(text, ']');
    break;
  case LOOP_EXPR_PICK:
    print(text, a->args[0], ATOM, false);
    text_string(text, "[lanes");
    for (int i = 0; i < a->type.lanes; i++) text_format(text, " %d", a->places[i]);
    text_char(text, ']');
    break;
  case LOOP_EXPR_REDUCE:
    text_format(text, "%s over ", over(a->op));
    print(text, a->args[0], SIGN, false);
    break;
  }
}

static void print(Text *text, const LoopExpr *a, int least, bool in_index) {
  bool parentheses = level(a) < least;
  if (parentheses) text_char(text, '(');
  print_bare(text, a, in_index);
  if (parentheses) text_char(text, ')');
}

void loop_print_expr(Text *text, const LoopExpr *expr) {
  print(text, expr, PHRASE, false);
}

/* ---- statements ---- */

static void print_type(Text *text, LoopElement element, int rank, LoopExpr *const *sizes) {
  text_string(text, loop_element_name(element));
  if (rank == 0) return;
  for (int axis = 0; axis < rank; axis++) {
    text_char(text, axis ? ',' : '[');
    print(text, sizes[axis], PHRASE, true);
  }
  text_char(text, ']');
}

typedef struct {
  Text *text;
  bool plain; /* without places and remarks */
} Printer;

static void print_block(Printer p, const LoopBlock *block, int depth, LoopPlace place);

static void print_head(Text *text, const LoopStatement *s) {
  text_format(text, "%s %s",
              s->kind == LOOP_DO_PARALLEL ? "parallel"
              : s->kind == LOOP_DO_EACH   ? "each"
                                          : "for",
              s->variable->name);
  if (s->stepping == LOOP_BY_RANGE) text_format(text, "..%s", s->tail_count->name);
  text_string(text, " in ");
  print(text, s->begin, SUM, true);
  text_string(text, "..");
  print(text, s->end, SUM, true);
  if (s->stepping != LOOP_BY_ONE && s->stepping != LOOP_BY_RANGE)
    text_format(text, " by %lld", (long long)s->step);
  if (s->stepping == LOOP_BY_UNROLL) text_string(text, " unroll");
  if (s->stepping == LOOP_BY_TAIL) text_string(text, " tail");
  if (s->stepping == LOOP_BY_STEP) text_string(text, " whole");
}

static void print_declaration(Text *text, const LoopStatement *s) {
  const LoopRegister *reg = s->target->reg;
  text_format(text, "%s: %s", reg->name, loop_element_name(reg->type.element));
  if (reg->rows)
    text_format(text, "[%d,%d]", reg->rows, reg->type.lanes);
  else if (reg->type.lanes != 1)
    text_format(text, "[%d]", reg->type.lanes);
  text_string(text, " = ");
  print(text, s->value, PHRASE, false);
}

/* A statement without its block. */
static void print_line(Text *text, const LoopStatement *s) {
  switch (s->kind) {
  case LOOP_DO_PARALLEL:
  case LOOP_DO_FOR:
  case LOOP_DO_EACH:
    print_head(text, s);
    break;
  case LOOP_DO_IF:
    text_string(text, "if ");
    print(text, s->value, PHRASE, false);
    break;
  case LOOP_DO_DECLARE:
    print_declaration(text, s);
    break;
  case LOOP_DO_SET:
  case LOOP_DO_STORE:
    print_bare(text, s->target, false);
    text_string(text, " = ");
    print(text, s->value, PHRASE, false);
    break;
  case LOOP_DO_TRANSPOSE:
    text_string(text, "transpose ");
    print_bare(text, s->target, false);
    break;
  case LOOP_DO_PREFETCH:
    text_string(text, s->once ? "prefetch once " : "prefetch ");
    print_bare(text, s->target, false);
    break;
  case LOOP_DO_FAULT:
    text_format(text, "fault %d if ", s->fault);
    print(text, s->value, PHRASE, false);
    break;
  }
}

static bool has_block(const LoopStatement *s) {
  return s->kind <= LOOP_DO_IF;
}

/* The end of a line: its remark and, where it changes, its place. */
static void end_line(Printer p, const LoopStatement *s, LoopPlace outside) {
  bool moved = s->place.file && (!outside.file || s->place.line != outside.line ||
                                 strcmp(s->place.file, outside.file) != 0);
  if (!p.plain && (moved || s->remark)) {
    text_pad(p.text, REMARK_COLUMN, 1);
    text_string(p.text, "# ");
    if (moved)
      text_format(p.text, "%s:%d:%d%s", s->place.file, s->place.line, s->place.column,
                  s->remark ? "; " : "");
    if (s->remark) text_string(p.text, s->remark);
  }
  text_char(p.text, '\n');
}

/* for .. : statement, if that is all and fits. */
static bool print_short(Text *text, const LoopStatement *s, int depth) {
  if (s->has_otherwise || s->body.count != 1 || s->remark || s->kind == LOOP_DO_PARALLEL)
    return false;
  const LoopStatement *inner = s->body.items[0];
  if (has_block(inner) || inner->remark || inner->place.line != s->place.line) return false;
  Text line = text_new(text->arena);
  text_pad(&line, (size_t)depth * 2, 0);
  print_line(&line, s);
  text_string(&line, ": ");
  print_line(&line, inner);
  if (text_column(&line) > WIDTH) return false;
  text_string(text, text_get(&line) + depth * 2);
  return true;
}

static void print_statement(Printer p, const LoopStatement *s, int depth, LoopPlace outside) {
  text_pad(p.text, (size_t)depth * 2, 0);
  if (has_block(s) && print_short(p.text, s, depth)) {
    end_line(p, s, outside);
    return;
  }
  print_line(p.text, s);
  end_line(p, s, outside);
  if (!has_block(s)) return;
  print_block(p, &s->body, depth + 1, s->place);
  if (!s->has_otherwise) return;
  text_pad(p.text, (size_t)depth * 2, 0);
  text_string(p.text, "else\n");
  print_block(p, &s->otherwise, depth + 1, s->place);
}

static void print_block(Printer p, const LoopBlock *block, int depth, LoopPlace place) {
  for (size_t i = 0; i < block->count; i++) {
    print_statement(p, block->items[i], depth, place);
    place = block->items[i]->place;
  }
}

static const char *const storage[] = {[LOOP_SCRATCH] = "scratch",
                                      [LOOP_STACK] = "stack",
                                      [LOOP_TABLE] = "table",
                                      [LOOP_VIEW] = "view",
                                      [LOOP_OPERAND] = ""};

static void print_parameters(Text *text, const LoopKernel *kernel) {
  for (size_t i = 0, shown = 0; i < kernel->buffers.count; i++) {
    const LoopBuffer *buffer = kernel->buffers.items[i];
    if (buffer->kind != LOOP_OPERAND) continue;
    if (shown++) text_string(text, text_column(text) > 80 ? ",\n    " : ", ");
    text_format(text, "%s: %s", buffer->name,
                buffer->packed    ? "packed "
                : buffer->streams ? "streamed "
                                  : "");
    print_type(text, buffer->element, buffer->rank, buffer->sizes);
  }
}

static void print_own_buffers(Text *text, const LoopKernel *kernel) {
  for (size_t i = 0; i < kernel->buffers.count; i++) {
    const LoopBuffer *buffer = kernel->buffers.items[i];
    if (buffer->kind == LOOP_OPERAND) continue;
    text_format(text, "  %s %s: ", storage[buffer->kind], buffer->name);
    print_type(text, buffer->element, buffer->rank, buffer->sizes);
    if (buffer->of) text_format(text, " of %s", buffer->of->name);
    text_char(text, '\n');
  }
}

void loop_print(Text *text, const LoopKernel *kernel) {
  text_format(text, "kernel %s(", kernel->name);
  print_parameters(text, kernel);
  text_char(text, ')');
  if (kernel->place.file || kernel->remark) {
    text_pad(text, 65, 1);
    text_string(text, "# ");
    if (kernel->place.file)
      text_format(text, "%s:%d:%d%s", kernel->place.file, kernel->place.line, kernel->place.column,
                  kernel->remark ? "; " : "");
    if (kernel->remark) text_string(text, kernel->remark);
  }
  text_char(text, '\n');
  for (size_t i = 0; i < kernel->given.count; i++)
    text_format(text, "  %s = %lld\n", kernel->given.items[i]->name,
                (long long)kernel->given.items[i]->integer);
  print_own_buffers(text, kernel);
  print_block((Printer){text, false}, &kernel->body, 1, kernel->place);
}

/* What the text leaves out but code depends on: strides, aliasing, the contents of tables. */
static void print_hidden(Text *text, const LoopBuffer *buffer) {
  text_format(text, "%s%s", buffer->name, buffer->noalias ? " alone" : "");
  for (int axis = 0; axis < buffer->rank; axis++) {
    if (!buffer->strides[axis]) continue;
    text_format(text, " %d:", axis);
    print(text, buffer->strides[axis], PHRASE, true);
  }
  if (buffer->kind == LOOP_TABLE) {
    const unsigned char *bytes = buffer->data;
    int64_t count = buffer->sizes[0]->integer * loop_element_bytes(buffer->element);
    for (int64_t i = 0; i < count; i++) text_format(text, "%02x", bytes[i]);
  }
  text_char(text, '\n');
}

void loop_print_key(Text *text, const LoopKernel *kernel) {
  text_format(text, "%s%s %d(", kernel->exact ? "exact" : "", kernel->calls ? " calls" : "",
              kernel->expansions);
  print_parameters(text, kernel);
  text_string(text, ")\n");
  for (size_t i = 0; i < kernel->dims.count; i++)
    text_format(text, "%s %d\n", kernel->dims.items[i]->name, kernel->dims.items[i]->slot);
  for (size_t i = 0; i < kernel->buffers.count; i++) print_hidden(text, kernel->buffers.items[i]);
  print_own_buffers(text, kernel);
  print_block((Printer){text, true}, &kernel->body, 1, (LoopPlace){0});
}
