#include "ir/describe.h"

#include <string.h>

/* Where the table's groups begin, in its order. */
static const struct {
  Operator first;
  const char *title;
} groups[] = {
    {OP_neg, "Elementwise"},
    {OP_sum, "Reductions"},
    {OP_reshape, "Shape"},
    {OP_gather, "Indices"},
    {OP_dot, "Products"},
    {OP_softmax, "Rows"},
    {OP_constant, "Made from nothing"},
    {OP_stop_gradient, "Marks"},
    {OP_read, "Memory"},
    {OP_fused, "With a region"},
};

static const char *group_of(Operator kind) {
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    if (groups[i].first == kind) return groups[i].title;
  return NULL;
}

static void describe_operands(Text *text, const OperatorInfo *info) {
  if (info->most < 0)
    text_format(text, "%d or more", info->least);
  else if (info->most != info->least)
    text_format(text, "%d or %d", info->least, info->most);
  else
    text_format(text, "%d", info->least);
}

/* "stride=1, pad=0, layout=nchw"; a bare name must be given */
static void describe_attributes(Text *text, const OperatorInfo *info) {
  for (int i = 0; i < MOST_ATTRIBUTES && info->attributes[i].standard; i++) {
    const AttributeRow *row = &info->attributes[i];
    text_format(text, "%s%s%s%s", i ? ", " : "", attribute_names[row->name],
                *row->standard ? "=" : "", row->standard);
  }
}

static void describe_traits(Text *text, const OperatorInfo *info) {
  static const struct {
    Trait trait;
    const char *word;
  } words[] = {
      {TRAIT_ELEMENTWISE, "elementwise"},
      {TRAIT_COMMUTATIVE, "commutative"},
      {TRAIT_COMPARE, "gives bool"},
      {TRAIT_REDUCTION, "reduction"},
      {TRAIT_VIEW, "view"},
      {TRAIT_PRODUCT, "product"},
      {TRAIT_SYMBOL, "has a @name"},
      {TRAIT_REGION, "has a region"},
      {TRAIT_ORDERED, "keeps its place"},
  };
  const char *before = "";
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (info->traits & words[i].trait) {
      text_format(text, "%s%s", before, words[i].word);
      before = ", ";
    }
}

static const char *const kind_words[] = {
    "a number or dim",    "a number",
    "true or false",      "a word",
    "an element type",    "numbers, one an axis",
    "pairs, one an axis", "lists of axes",
    "constant data",
};

/* Text in a cell of a markdown table: a bar would end the cell. */
static void markdown_cell(Text *text, const char *cell) {
  text_string(text, " ");
  for (const char *c = cell; *c; c++) {
    if (*c == '|' || *c == '*' || *c == '_') text_char(text, '\\');
    text_char(text, *c);
  }
  text_string(text, " |");
}

static void markdown_row(Text *text, const OperatorInfo *info) {
  Text attributes = text_new(text->arena), operands = text_new(text->arena);
  describe_attributes(&attributes, info);
  describe_operands(&operands, info);
  text_format(text, "| `%s` |", info->name);
  markdown_cell(text, text_get(&operands));
  if (attributes.length)
    text_format(text, " `%s` |", text_get(&attributes));
  else
    text_string(text, " |");
  markdown_cell(text, info->shape);
  markdown_cell(text, info->meaning);
  text_char(text, '\n');
}

enum { WIDTH = 100, TEXT_COLUMN = 18 };

/* Words from the current column on, broken before the width and set below each other. */
static void wrapped(Text *text, const char *words) {
  for (const char *word = words; *word;) {
    size_t length = strcspn(word, " ");
    if (word > words) {
      bool fits = text_column(text) + 1 + length <= WIDTH;
      text_char(text, fits ? ' ' : '\n');
      if (!fits) text_pad(text, TEXT_COLUMN, 0);
    }
    text_bytes(text, word, length);
    word += length + (word[length] == ' ');
  }
  text_char(text, '\n');
}

static void plain_row(Text *text, const OperatorInfo *info) {
  Text attributes = text_new(text->arena);
  text_format(text, "  %s", info->name);
  text_pad(text, TEXT_COLUMN, 1);
  wrapped(text, info->meaning);
  describe_attributes(&attributes, info);
  if (!attributes.length) return;
  text_pad(text, TEXT_COLUMN, 0);
  text_char(text, '{');
  text_string(&attributes, "}");
  wrapped(text, text_get(&attributes));
}

static const char introduction[] =
    "# Operators\n"
    "\n"
    "The graph IR's operators, as `ir/operators.def` declares them: this page is made from it\n"
    "(`dlc help ops --markdown`). In `.dl` each is `op.NAME(operands, attribute=value)`; the "
    "library\n"
    "and the language's own signs (`+`, `@`, ..) are made of them.\n"
    "\n"
    "x, y, .. are the operands in order. An attribute that is written without a value must be "
    "given,\n"
    "others have the default that is shown. Where an attribute has a number for each axis, a "
    "single\n"
    "number stands for all of them. Elementwise operators broadcast: axes are matched from the "
    "last\n"
    "one, and go together if they are equal or one of them is 1.\n";

void operators_describe(Text *text, bool markdown) {
  if (markdown) text_string(text, introduction);
  for (int i = 0; i < OPERATORS; i++) {
    const char *group = group_of((Operator)i);
    if (group && markdown)
      text_format(text,
                  "\n## %s\n\n| operator | operands | attributes | result | meaning |\n"
                  "| --- | --- | --- | --- | --- |\n",
                  group);
    else if (group)
      text_format(text, "%s%s\n", i ? "\n" : "", group);
    if (markdown)
      markdown_row(text, &operator_infos[i]);
    else
      plain_row(text, &operator_infos[i]);
  }
}

void operator_describe(Text *text, Operator kind) {
  const OperatorInfo *info = &operator_infos[kind];
  text_format(text, "%s   %s\n  operands  ", info->name, info->meaning);
  describe_operands(text, info);
  text_format(text, "\n  result    %s\n", info->shape);
  if (info->traits) {
    text_string(text, "  traits    ");
    describe_traits(text, info);
    text_char(text, '\n');
  }
  for (int i = 0; i < MOST_ATTRIBUTES && info->attributes[i].standard; i++) {
    const AttributeRow *row = &info->attributes[i];
    text_format(text, "  %-10s%s; %s%s\n", attribute_names[row->name], kind_words[row->kind],
                *row->standard ? "default " : "must be given", row->standard);
  }
}
