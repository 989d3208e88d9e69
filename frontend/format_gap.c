#include "frontend/format.h"

#include <string.h>

static bool is_soft(int kind) {
  return kind >= IN && kind <= FROM;
}

static bool ends_operand(const Piece *piece, const Piece *next) {
  switch (piece->token.kind) {
  case NAME:
  case INTEGER:
  case FLOAT:
  case STRING:
  case TRUE:
  case FALSE:
  case NONE:
  case ')':
  case ']':
    return true;
  case '}':
    return !piece->token.block;
  }
  /* `in`, `from` ..: a name if the next one touches it */
  return is_soft(piece->token.kind) && next->source_gap == 0 && !next->breaks;
}

static bool is_arithmetic(int kind) {
  return kind == '+' || kind == '-' || kind == '*' || kind == '/' || kind == '%' || kind == '@' ||
         kind == '^';
}

typedef struct {
  Page *page;
  VEC(int) open;
  int header; /* 1: a declaring word, 2: and its name, 3: a list of parameters was closed */
  bool two;   /* the header may have a second list */
} Roles;

static Context context_of(const Roles *r) {
  if (!r->open.count) return CONTEXT_NONE;
  const Piece *opener = &r->page->pieces.items[vec_last(&r->open)];
  switch (opener->token.kind) {
  case '(':
    if (opener->context == CONTEXT_PARAMETERS) return CONTEXT_PARAMETERS;
    return opener->role == ROLE_CALL ? CONTEXT_CALL : CONTEXT_PAREN;
  case '[':
    return opener->role == ROLE_CALL ? CONTEXT_INDEX : CONTEXT_LIST;
  default:
    return opener->token.block ? CONTEXT_NONE : CONTEXT_MAP;
  }
}

static void header_step(Roles *r, int kind) {
  switch (kind) {
  case LAYER:
  case OPTIMIZER:
  case MODEL:
  case TRAIN:
  case FN:
    r->header = 1;
    r->two = kind == LAYER || kind == OPTIMIZER;
    return;
  }
  r->header = r->header == 1 && (kind == NAME || is_soft(kind)) ? 2 : 0;
}

static void bracket_role(Roles *r, Piece *piece, const Piece *before) {
  Context around = context_of(r);
  piece->context = around;
  bool parameters = piece->token.kind == '(' && (r->header == 2 || r->header == 3);
  if (parameters) piece->context = CONTEXT_PARAMETERS;
  if (piece->token.kind != '{' && (parameters || (before && ends_operand(before, piece))))
    piece->role = ROLE_CALL;
}

static void close(Roles *r, Piece *piece) {
  piece->opener = vec_last(&r->open);
  const Piece *opener = &r->page->pieces.items[piece->opener];
  bool parameters = opener->context == CONTEXT_PARAMETERS && opener->token.kind == '(';
  r->open.count--;
  piece->context = context_of(r);
  r->header = parameters && r->two ? 3 : 0;
  if (parameters) r->two = false;
}

static void sign_role(const Roles *r, Piece *piece, const Piece *before, const Piece *after) {
  int kind = piece->token.kind;
  bool left = before && ends_operand(before, piece);
  bool space_before = piece->source_gap > 0 || piece->breaks;
  bool space_after = after && (after->source_gap > 0 || after->breaks);
  if (kind == '-' && (!left || (is_soft(before->token.kind) && space_before && !space_after))) {
    piece->role = ROLE_UNARY;
  } else if (is_arithmetic(kind)) {
    piece->role = ROLE_BINARY;
    piece->spaced = space_before || space_after;
  } else if (kind == DOTS) {
    piece->role = ROLE_BINARY;
    piece->spaced = space_before && space_after;
  } else if (kind == '=' && piece->context == CONTEXT_CALL) {
    piece->role = ROLE_NAMED;
  } else if (kind == ':' && context_of(r) == CONTEXT_INDEX) {
    piece->role = ROLE_SLICE;
    bool both = before && after && before->token.kind != '[' && before->token.kind != ',' &&
                before->token.kind != ':' && after->token.kind != ']' && after->token.kind != ',' &&
                after->token.kind != ':';
    piece->spaced = both && space_before && space_after;
  }
}

void format_roles(Page *page) {
  Roles r = {.page = page};
  int count = (int)page->pieces.count;
  for (int i = 0; i < count; i++) {
    Piece *piece = &page->pieces.items[i];
    const Piece *before = i ? piece - 1 : NULL;
    const Piece *after = i + 1 < count ? piece + 1 : NULL;
    piece->opener = r.open.count ? vec_last(&r.open) : -1;
    const Piece *opener = piece->opener < 0 ? NULL : &page->pieces.items[piece->opener];
    piece->depth =
        !opener || (opener->token.kind == '{' && opener->token.block) ? 0 : opener->depth + 1;
    piece->in_index =
        opener && piece->depth &&
        (opener->in_index || (opener->token.kind == '[' && opener->role == ROLE_CALL));
    switch (piece->token.kind) {
    case '(':
    case '[':
    case '{':
      bracket_role(&r, piece, before);
      r.header = 0;
      vec_push(page->arena, &r.open, i);
      break;
    case ')':
    case ']':
    case '}':
      close(&r, piece);
      break;
    default:
      piece->context = context_of(&r);
      sign_role(&r, piece, before, after);
      if (piece->context == CONTEXT_NONE) header_step(&r, piece->token.kind);
    }
  }
}

static int pair_gap(const Piece *a, const Piece *b) {
  int left = a->token.kind, right = b->token.kind;
  if (right == ',' || right == ';' || right == ')' || right == ']') return 0;
  if (left == '(' || left == '[' || left == '.' || right == '.') return 0;
  if (a->role == ROLE_UNARY) return 0;
  if (left == '{' && (!a->token.block || right == '}')) return 0;
  if (right == '}' && !b->token.block) return 0;
  if (left == ',' || left == ';') return 1;
  if (a->role == ROLE_NAMED || b->role == ROLE_NAMED || b->role == ROLE_CALL) return 0;
  if (a->role == ROLE_BINARY || a->role == ROLE_SLICE) return a->spaced;
  if (b->role == ROLE_BINARY || b->role == ROLE_SLICE) return b->spaced;
  if (right == ':') return 0;
  return 1;
}

int format_gap(const Page *page, int i) {
  return i ? pair_gap(&page->pieces.items[i - 1], &page->pieces.items[i]) : 0;
}
