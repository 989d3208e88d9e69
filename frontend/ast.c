#include "frontend/ast.h"

#include "support/text.h"

const char *ast_operator_text(AstOperator op) {
  static const char *const texts[] = {
#define OPERATOR(name, text, operands) text,
      AST_OPERATORS(OPERATOR)
#undef OPERATOR
  };
  return texts[op];
}

const char *definition_kind_text(DefinitionKind kind) {
  static const char *const texts[] = {"fn", "layer", "model", "train", "optimizer"};
  return texts[kind];
}

static bool add_path(Text *text, const Expr *expr) {
  const Expr *words[1000];
  size_t count = 0;
  for (; expr->kind == EXPR_FIELD && !expr->parenthesised; expr = expr->left) {
    if (count == sizeof words / sizeof *words) return false;
    words[count++] = expr;
  }
  if (expr->kind != EXPR_NAME || expr->parenthesised) return false;
  text_string(text, expr->name);
  while (count) {
    text_char(text, '.');
    text_string(text, words[--count]->name);
  }
  return true;
}

const char *ast_path(Arena *arena, const Expr *expr) {
  Text text = text_new(arena);
  return add_path(&text, expr) ? text_get(&text) : NULL;
}
