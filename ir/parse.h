/* parse.h - the insides of module_parse: parse.c reads modules, functions and operations,
 * parse_head.c what a module has beside functions, parse_attribute.c what stands between: types,
 * dims, attributes, data, locations; all of them by the tokens of parse_token.c.
 *
 * The first mistake ends it: every function that reads something gives false (or NULL) after one
 * was reported.
 */
#ifndef IR_PARSE_H
#define IR_PARSE_H

#include "ir/infer.h"
#include "ir/module_text.h"
#include "ir/text_lexer.h"
#include "support/map.h"

typedef struct {
  Arena *arena;
  Diagnostics *diagnostics;
  Lexer lexer;
  Token token, ahead; /* the next two */
  Span end;           /* of the token before them */
  Module *module;
  Map dims;           /* Symbol by its interned name */
  Map files;          /* number + 1 of a file by its word */
  Function *function; /* being read */
  Map index_dims;     /* of this function */
  int depth;          /* of nesting */
  int operations;
  Map spans; /* of operations: both ends in the pointer's 64 bits */
} Parser;

/* What was written as data, until its type is known. */
typedef struct {
  bool is_elided, is_list;
  uint32_t hash;
  Number *numbers;
  int count;
  Span span;
} WrittenData;

void parser_advance(Parser *p);
/* Always false. */
bool parser_fail(Parser *p, DiagnosticCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool parser_expected(Parser *p, const char *what);
bool parser_is_sign(const Parser *p, int sign);
bool parser_is_word(const Parser *p, const char *word);
bool parser_take_sign(Parser *p, int sign); /* if it is there */
bool parser_take_word(Parser *p, const char *word);
bool parser_sign(Parser *p, int sign); /* must be there */
bool parser_word(Parser *p, const char **word, const char *what);
bool parser_any_name(Parser *p, const char **name, const char *what); /* in quotes, too */
bool parser_global(Parser *p, const char **name);
bool parser_integer(Parser *p, int64_t *value, const char *what); /* not negative */
bool parser_deeper(Parser *p);

const Dim *parse_dim(Parser *p);
bool parse_type(Parser *p, Type *type);
/* `given` has room for MOST_ATTRIBUTES; a DATA is left for parse_make_data. */
bool parse_attributes(Parser *p, Operator kind, Attribute *given, int *count, WrittenData *data);
bool parse_data(Parser *p, WrittenData *data);
Data *parse_make_data(Parser *p, const WrittenData *written, const Type *type);
bool parse_location(Parser *p, const Location **at); /* NULL if there is none */

/* Where values of that scope lie; NULL: of none. */
typedef struct Scope Scope;
bool parse_place(Parser *p, const Scope *scope, MemoryPlace *place);

bool parse_head(Parser *p);
/* Each behind the word that begins it. */
bool parse_source_file(Parser *p);
bool parse_dim_declaration(Parser *p);
bool parse_tensor(Parser *p, TensorKind kind);
bool parse_schedule(Parser *p);
bool parse_run(Parser *p);

#endif
