#include "frontend/brackets.h"

#include <string.h>

typedef struct {
  uint32_t token;  /* in the output */
  int kind;        /* '(' '[' '{' */
  bool block;      /* '{' of statements, not of a map */
  uint32_t indent; /* of the first token of its line */
} Open;

typedef struct {
  Arena *arena;
  Diagnostics *diagnostics;
  int32_t file;
  const char *bytes;
  const RawTokens *raw;
  VEC(Token) out;
  VEC(Open) open;
  uint32_t indent; /* of the line at hand */
} Matcher;

static int last_kind(const Matcher *m) {
  return m->out.count ? vec_last(&m->out).kind : NEWLINE;
}

/* What a statement cannot end with: the next line goes on. */
static bool goes_on(int kind) {
  switch (kind) {
  case '+':
  case '-':
  case '*':
  case '/':
  case '%':
  case '^':
  case '@':
  case ',':
  case '=':
  case '<':
  case '>':
  case ARROW:
  case WRITE:
  case PIPE:
  case AND:
  case OR:
  case NOT:
  case EQUAL:
  case NOT_EQUAL:
  case LESS_EQUAL:
  case GREATER_EQUAL:
  case DOTS:
    return true;
  }
  return false;
}

/* After these a '{' begins a map, elsewhere a block. */
static bool expects_value(int kind) {
  switch (kind) {
  case '(':
  case '[':
  case ':':
  case RETURN:
  case EMIT:
  case ASSERT:
    return true;
  }
  return goes_on(kind);
}

static bool ends_operand(int kind) {
  switch (kind) {
  case NAME:
  case INTEGER:
  case FLOAT:
  case STRING:
  case TRUE:
  case FALSE:
  case NONE:
  case ')':
  case ']':
  case '}':
    return true;
  }
  return false;
}

/* Words that begin a statement or a declaration and stand nowhere else. */
static bool begins_statement(int kind) {
  switch (kind) {
  case IMPORT:
  case CONST:
  case MODEL:
  case TRAIN:
  case PARAM:
  case STATE:
  case RETURN:
  case EMIT:
  case ASSERT:
  case MINIMIZE:
  case SCAN:
    return true;
  }
  return false;
}

static bool is_name(int kind) {
  return kind == NAME || (kind >= IN && kind <= FROM);
}

/* `layer`, `optimizer`, `dim`, `fn` are types too; before a name they begin a declaration. */
static bool begins_declaration(const Matcher *m, size_t i) {
  int kind = m->raw->items[i].kind;
  int next = i + 1 < m->raw->count ? m->raw->items[i + 1].kind : END;
  switch (kind) {
  case LAYER:
  case OPTIMIZER:
  case DIM:
  case FN:
    return is_name(next) && next != IN;
  case IMPORT:
  case CONST:
  case MODEL:
  case TRAIN:
    return true;
  }
  return false;
}

static const Open *innermost(const Matcher *m) {
  return m->open.count ? &vec_last(&m->open) : NULL;
}

static bool in_brackets(const Matcher *m) {
  const Open *open = innermost(m);
  return open && !open->block;
}

static int closer(int kind) {
  return kind == '(' ? ')' : kind == '[' ? ']' : '}';
}

static void close_with(Matcher *m, Token token) {
  token.match = innermost(m)->token;
  token.block = innermost(m)->block;
  m->out.items[token.match].match = (uint32_t)m->out.count;
  m->open.count--;
  vec_push(m->arena, &m->out, token);
}

/* Whether the bracket was swallowed by a text without its closing quote on the same line. */
static bool was_swallowed(const Matcher *m, uint32_t opener) {
  if (!m->raw->has_broken || opener > m->raw->broken || m->raw->broken - opener > 4096)
    return false;
  return !memchr(m->bytes + opener, '\n', m->raw->broken - opener);
}

/* Puts in what closes the innermost bracket, behind the last token. */
static void put_closer(Matcher *m, const char *found, bool report) {
  const Open *open = innermost(m);
  Token opener = m->out.items[open->token];
  Token before = vec_last(&m->out);
  if (before.kind == NEWLINE && m->out.count > 1) before = m->out.items[m->out.count - 2];
  if (report && !was_swallowed(m, opener.from)) {
    Span at = {m->file, before.to, before.to};
    Diagnostic *d = diag_report(m->diagnostics, E0001, at, "expected '%c', found %s",
                                closer(open->kind), found);
    diag_note(d, (Span){m->file, opener.from, opener.to}, "the '%c' is opened here", open->kind);
  }
  if (open->block && last_kind(m) != NEWLINE && last_kind(m) != ';' && last_kind(m) != '{')
    vec_push(m->arena, &m->out, ((Token){.kind = NEWLINE, .from = before.to, .to = before.to}));
  close_with(m, (Token){.kind = closer(open->kind), .from = before.to, .to = before.to});
}

/* Closes down to `depth` open ones: one mistake for those in parentheses, one for each block. */
static void put_closers(Matcher *m, size_t depth, const char *found) {
  bool report = true;
  while (m->open.count > depth) {
    bool block = innermost(m)->block;
    put_closer(m, found, report || block);
    report = false;
  }
}

/* How many are open around the innermost ( [ and maps. */
static size_t block_depth(const Matcher *m) {
  size_t depth = m->open.count;
  while (depth && !m->open.items[depth - 1].block) depth--;
  return depth;
}

static const char *quoted(const Matcher *m, Token token) {
  int length = token.to - token.from > 40 ? 40 : (int)(token.to - token.from);
  return arena_format(m->arena, "'%.*s'", length, m->bytes + token.from);
}

/* A newline inside ( or [ before what cannot go on there: the bracket was forgotten. */
static bool bracket_was_forgotten(const Matcher *m, size_t i) {
  if (begins_statement(m->raw->items[i].kind) || begins_declaration(m, i)) return true;
  for (size_t k = m->open.count; k-- > 0 && !m->open.items[k].block;)
    if (m->open.items[k].indent < m->indent) return false;
  return m->raw->items[i].kind == NAME && ends_operand(last_kind(m));
}

static void newline(Matcher *m, size_t i) {
  Token token = m->raw->items[i];
  uint32_t line = token.from;
  while (line && m->bytes[line - 1] != '\n') line--;
  m->indent = token.from - line;
  if (in_brackets(m) && bracket_was_forgotten(m, i))
    put_closers(m, block_depth(m), "the end of the line");
  if (m->open.count && m->indent <= m->open.items[0].indent && begins_declaration(m, i) &&
      token.kind != FN)
    put_closers(m, 0, quoted(m, token));
  int last = last_kind(m);
  if (in_brackets(m) || goes_on(last) || last == '{' || last == NEWLINE || last == ';' ||
      token.kind == PIPE || token.kind == ARROW || token.kind == ELSE)
    return;
  uint32_t at = vec_last(&m->out).to;
  vec_push(m->arena, &m->out, ((Token){.kind = NEWLINE, .from = at, .to = at}));
}

static bool open_bracket(Matcher *m, Token token) {
  bool block = token.kind == '{' && !expects_value(last_kind(m));
  if (block) put_closers(m, block_depth(m), "'{'");
  if (m->open.count == AST_DEEPEST) {
    diag_report(m->diagnostics, E0006, (Span){m->file, token.from, token.to},
                "brackets are nested deeper than 1,000 levels");
    return false;
  }
  token.block = block;
  Open open = {(uint32_t)m->out.count, token.kind, block, m->indent};
  vec_push(m->arena, &m->open, open);
  vec_push(m->arena, &m->out, token);
  return true;
}

/* The number of open brackets down to and with the one that `token` closes; 0: none. */
static size_t depth_of_opener(const Matcher *m, Token token) {
  size_t depth = m->open.count;
  while (depth && closer(m->open.items[depth - 1].kind) != token.kind) {
    if (token.kind != '}' && m->open.items[depth - 1].block) return 0;
    depth--;
  }
  if (!token.first || token.kind != '}' || !depth || m->open.items[depth - 1].indent <= m->indent)
    return depth;
  /* A } that stands under an outer block's first word: an inner one was forgotten. */
  for (size_t k = depth; k-- > 0;)
    if (m->open.items[k].block && m->open.items[k].indent == m->indent) return k + 1;
  return depth;
}

static void close_bracket(Matcher *m, Token token) {
  size_t depth = depth_of_opener(m, token);
  if (!depth) {
    diag_report(m->diagnostics, E0001, (Span){m->file, token.from, token.to}, "'%c' closes nothing",
                token.kind);
    return;
  }
  bool outer = innermost(m)->block && m->open.count > depth && token.kind == '}';
  put_closers(m, depth, outer ? "the '}' of an outer block" : quoted(m, token));
  close_with(m, token);
}

bool brackets_match(Arena *arena, Diagnostics *diagnostics, int32_t file, const RawTokens *raw,
                    TokenList *tokens) {
  const Source *source = sources_get(diagnostics_sources(diagnostics), file);
  Matcher m = {
      .arena = arena, .diagnostics = diagnostics, .file = file, .bytes = source->bytes, .raw = raw};
  for (size_t i = 0; i < raw->count; i++) {
    Token token = raw->items[i];
    if (token.first) newline(&m, i);
    switch (token.kind) {
    case '(':
    case '[':
    case '{':
      if (!open_bracket(&m, token)) return false;
      break;
    case ')':
    case ']':
    case '}':
      close_bracket(&m, token);
      break;
    default:
      vec_push(arena, &m.out, token);
    }
  }
  put_closers(&m, 0, "the end of the file");
  uint32_t end = m.out.count ? vec_last(&m.out).to : 0;
  if (m.out.count && last_kind(&m) != NEWLINE && last_kind(&m) != ';')
    vec_push(arena, &m.out, ((Token){.kind = NEWLINE, .from = end, .to = end}));
  vec_push(arena, &m.out, ((Token){.kind = END, .from = end, .to = end}));
  *tokens = (TokenList){m.out.items, m.out.count, raw->bad.items, raw->bad.count};
  return true;
}
