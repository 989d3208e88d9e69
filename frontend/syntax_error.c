/* A syntax error's sentence: what stands there, what could stand there, and what was likely meant.
 */
#include <string.h>

#include "frontend/lexer.h"

enum { MOST_SHOWN = 5 };

/* Tokens that together are one notion; they are said by its name if all are expected. */
static const struct {
  const char *notion;
  const char *tokens[18];
} notions[] = {
    {"an expression",
     {"a name", "a number", "a number with a point", "a text", "'('", "'['", "'{'", "'-'", "'true'",
      "'false'", "'None'", "'not'", "'in'", "'axis'", "'carry'", "'over'", "'with'", "'from'"}},
    {"an expression",
     {"a name", "a number", "a number with a point", "a text", "'('", "'['", "'{'", "'-'", "'true'",
      "'false'", "'None'", "'in'", "'axis'", "'carry'", "'over'", "'with'", "'from'"}},
    {"an expression",
     {"a name", "a number", "a number with a point", "a text", "'('", "'['", "'{'", "'true'",
      "'false'", "'None'", "'in'", "'axis'", "'carry'", "'over'", "'with'", "'from'"}},
    {"a type",
     {"a name", "'['", "'dim'", "'fn'", "'layer'", "'optimizer'", "'in'", "'axis'", "'carry'",
      "'over'", "'with'", "'from'"}},
    {"a name", {"a name", "'in'", "'axis'", "'carry'", "'over'", "'with'", "'from'"}},
    {"an operator",
     {"'+'", "'-'", "'*'", "'/'", "'%'", "'@'", "'^'", "'<'", "'>'", "'=='", "'!='", "'<='", "'>='",
      "'..'", "'and'", "'or'", "'if'", "'|>'"}},
    {"an operator",
     {"'+'", "'-'", "'<'", "'>'", "'=='", "'!='", "'<='", "'>='", "'and'", "'or'", "'if'", "'|>'"}},
    {"an operator", {"'and'", "'or'", "'if'", "'|>'"}},
    {NULL, {"'('", "'['", "'.'", "'|>'"}},
    {"the end of the statement", {"the end of the line", "';'", "'}'"}},
    {"the end of the statement", {"the end of the line", "';'"}},
};

typedef struct {
  const char *const *items;
  int count;
  bool said[400];
} Expected;

static int find(const Expected *expected, const char *token) {
  for (int i = 0; i < expected->count; i++)
    if (!strcmp(expected->items[i], token)) return i;
  return -1;
}

static bool expects(const Expected *expected, const char *token) {
  return find(expected, token) >= 0;
}

static bool expects_statement(const Expected *expected) {
  return expects(expected, "'param'") && expects(expected, "'for'");
}

static void group(Expected *expected, const char **words, int *count) {
  size_t size = sizeof notions / sizeof *notions;
  for (size_t n = 0; n < size; n++) {
    int places[18], found = 0, total = 0;
    bool fresh = false;
    for (; total < 18 && notions[n].tokens[total]; total++) {
      int place = find(expected, notions[n].tokens[total]);
      if (place < 0) break;
      if (!expected->said[place]) fresh = true;
      places[found++] = place;
    }
    if (found < total || (total < 18 && notions[n].tokens[total]) || !fresh) continue;
    for (int i = 0; i < found; i++) expected->said[places[i]] = true;
    if (notions[n].notion) words[(*count)++] = notions[n].notion;
  }
  for (int i = 0; i < expected->count; i++)
    if (!expected->said[i]) words[(*count)++] = expected->items[i];
}

static const char *sentence(Parser *parser, Expected *expected, const char *found) {
  Text text = text_new(parser->arena);
  const char *words[400];
  int count = 0;
  if (expects_statement(expected)) {
    words[count++] = expects(expected, "'layer'") ? "a declaration" : "a statement";
    if (expects(expected, "'}'")) words[count++] = "'}'";
  } else {
    group(expected, words, &count);
  }
  if (!count || count > MOST_SHOWN) {
    text_format(&text, "%s cannot stand here", found);
    return text_get(&text);
  }
  text_string(&text, "expected ");
  for (int i = 0; i < count; i++) {
    if (i) text_string(&text, i + 1 < count ? ", " : " or ");
    text_string(&text, words[i]);
  }
  text_format(&text, ", found %s", found);
  return text_get(&text);
}

static const char *what_stands(Parser *parser, const Token *token, const char *name) {
  if (token->kind == NEWLINE && token[1].kind == END) return "the end of the file";
  if (token->kind == NEWLINE || token->kind == END) return name;
  int length = token->to - token->from > 40 ? 40 : (int)(token->to - token->from);
  const char *text = parser->bytes + token->from;
  if (token->kind == STRING) return arena_format(parser->arena, "the text %.*s", length, text);
  return arena_format(parser->arena, "'%.*s'", length, text);
}

static bool is_comparison(int kind) {
  return kind == '<' || kind == '>' || kind == EQUAL || kind == NOT_EQUAL || kind == LESS_EQUAL ||
         kind == GREATER_EQUAL;
}

static bool is_arithmetic(int kind) {
  return kind == '+' || kind == '-' || kind == '*' || kind == '/' || kind == '%' || kind == '@' ||
         kind == '^';
}

static bool is_word(const Parser *parser, const Token *token, const char *word) {
  size_t length = strlen(word);
  return token->to - token->from == length && !memcmp(parser->bytes + token->from, word, length);
}

static bool is_word_of_language(int kind) {
  return kind >= IMPORT && kind <= NOT;
}

/* What may follow a name that is declared or used. */
static bool follows_name(int kind) {
  return kind == '=' || kind == '(' || kind == ')' || kind == '[' || kind == ']' || kind == ':' ||
         kind == ',' || kind == '.' || kind == WRITE || kind == '{';
}

/* Words of the language that one may want to call something. */
static bool is_thing(int kind) {
  switch (kind) {
  case CONST:
  case DIM:
  case FN:
  case LAYER:
  case MODEL:
  case TRAIN:
  case OPTIMIZER:
  case RUN:
  case PARAM:
  case STATE:
  case SCAN:
    return true;
  }
  return false;
}

/* Words that a statement or declaration begins with, and no expression holds. */
static bool begins_statement(int kind) {
  return kind >= IMPORT && kind <= MINIMIZE && kind != IF && kind != ELSE && kind != FOR &&
         kind != WHILE;
}

/* Whether the token or the one before it was reported already, or a stray sign between them. */
static bool is_consequence(const Parser *parser, size_t index) {
  uint32_t from = index ? parser->tokens[index - 1].from : 0;
  size_t low = 0, high = parser->bad_count; /* the first that is not before `from` */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (parser->bad[middle] < from)
      low = middle + 1;
    else
      high = middle;
  }
  return low < parser->bad_count && parser->bad[low] <= parser->tokens[index].to;
}

/* What people from other languages write, and what is meant. */
static const char *foreign_word(const Parser *parser, const Token *token) {
  static const struct {
    const char *word, *help;
  } words[] = {
      {"elif", "write 'else if'"},
      {"def", "a function is declared with 'fn', a layer with 'layer'"},
      {"func", "a function is declared with 'fn'"},
      {"function", "a function is declared with 'fn'"},
      {"class", "a layer is declared with 'layer'"},
      {"let", "a name is bound with '=' alone"},
      {"var", "a name is bound with '=' alone"},
      {"while", "a loop that runs is a 'scan'; it may end with 'while'"},
      {"lambda", "a function of a missing argument: max_pool2d(_, 2); else 'fn'"},
      {"is", "write '=='"},
  };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (is_word(parser, token, words[i].word)) return words[i].help;
  return NULL;
}

/* Help for the mistake that is most likely, or NULL. `before` and `after` are its neighbours. */
static const char *likely(const Parser *parser, const Expected *expected, const Token *token) {
  static const Token none = {.kind = NEWLINE};
  const Token *before = token > parser->tokens ? token - 1 : &none;
  const Token *after = token->kind == END ? token : token + 1;
  const char *foreign = foreign_word(parser, token);
  if (!foreign && before->kind == NAME) foreign = foreign_word(parser, before);
  if (foreign) return foreign;
  bool touches = before->to == token->from;
  if (token->first && begins_statement(token->kind) && !expects_statement(expected))
    return "the line before goes on here: an operator, a comma or '=' is its last sign";
  if (token->kind == WRITE && after->kind == INTEGER && token->to == after->from)
    return "'<-' is a write; a comparison with a negative number needs a space: < -1";
  if (token->kind == WRITE) return "'<-' writes a state, in a statement of its own";
  if (token->kind == '=' && (is_arithmetic(before->kind)) && touches)
    return "there is no such assignment; write x = x + y";
  if (token->kind == '=' && expects(expected, "'=='")) return "equality is written '=='";
  if (token->kind == '*' && before->kind == '*') return "a power is written '^'";
  if (token->kind == '/' && before->kind == '/') return "'/' of integers rounds down already";
  if (token->kind == '>' && before->kind == '=') return "write '>='";
  if (token->kind == ':' && expects(expected, "'{'")) return "a block stands in { }";
  if (is_comparison(token->kind) && expects(expected, "'and'"))
    return "comparisons do not follow each other: write a < b and b < c";
  if (is_arithmetic(token->kind) && expects(expected, "'|>'") && !expects(expected, "'+'"))
    return "'|>' binds loosest: write (x |> f) + y, or bind it to a name first";
  if (token->kind == NEWLINE && after->kind == '{' && expects(expected, "'{'"))
    return "the { of a block stands on the line of its header";
  bool names = expects(expected, "a name"), alone = names && !expects(expected, "'('");
  if ((is_thing(token->kind) || (alone && is_word_of_language(token->kind))) && names &&
      !expects_statement(expected))
    return "words of the language cannot be names";
  if ((token->kind == INTEGER || token->kind == FLOAT) && alone)
    return "a name begins with a letter or '_'";
  if (is_thing(before->kind) && names && follows_name(token->kind))
    return "the word before it is of the language and cannot be a name";
  if (token->kind == ',' && expects(expected, "')'")) return "several values are a list: [a, b]";
  if (token->kind == NAME && expected->count == 1 && expects(expected, "a text"))
    return "a text stands in \"double quotes\"";
  if (token->kind == '<' && expects(expected, "'<='")) return "a bound is written '<='";
  if (token->kind == '{' && expects_statement(expected)) return "a block belongs to a header";
  if ((token->kind == LAYER || token->kind == MODEL || token->kind == TRAIN) &&
      expects_statement(expected) && !expects(expected, "'layer'"))
    return "it is declared at the top level of a file";
  return NULL;
}

/* Where the statement at `index` ends: its separator, or the brace that ends the block. Also at a )
 * or ] of a bracket around it, if `within`. */
static size_t statement_end(const Parser *parser, size_t index, bool within) {
  for (; parser->tokens[index].kind != END; index++) {
    switch (parser->tokens[index].kind) {
    case NEWLINE:
    case ';':
    case '}':
      return index;
    case ')':
    case ']':
      if (within) return index;
      break;
    case '(':
    case '[':
    case '{':
      index = parser->tokens[index].match;
      break;
    }
  }
  return index;
}

static bool in_brackets(const Parser *parser, size_t index) {
  int kind = parser->tokens[statement_end(parser, index, true)].kind;
  return kind == ')' || kind == ']';
}

void parser_syntax_error(Parser *parser, const char *found, const char *const *names, int count) {
  size_t index = parser->tokens[parser->next].kind == END && !parser->next ? 0 : parser->next - 1;
  if (parser->tokens[parser->next].kind == END && !strcmp(found, "the end of the file"))
    index = parser->next;
  const Token *token = &parser->tokens[index];
  Expected expected = {.items = names, .count = count};
  if (!is_consequence(parser, index)) {
    Span span = {parser->file, token->from, token->to};
    const char *text = sentence(parser, &expected, what_stands(parser, token, found));
    Diagnostic *d = diag_report(parser->diagnostics, E0001, span, "%s", text);
    const char *help = likely(parser, &expected, token);
    if (help) diag_help(d, "%s", help);
  }
  bool block_follows = token->kind == NEWLINE && token[1].kind == '{';
  size_t end = statement_end(parser, block_follows ? index + 1 : index, false);
  if (end == index) return;
  parser->resume = end;
  /* The next statement was taken for the rest of this one: it is still to be read. */
  if (token->first && begins_statement(token->kind) && !expects_statement(&expected) &&
      !in_brackets(parser, index)) {
    parser->resume = index;
    parser->end_first = true;
  }
}
