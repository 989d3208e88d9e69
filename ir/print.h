/* print.h - the insides of module_print: print.c writes modules, functions and operations,
 * print_attribute.c what stands between, as parse.c and parse_attribute.c read it. */
#ifndef IR_PRINT_H
#define IR_PRINT_H

#include "ir/module_text.h"

typedef struct {
  Text *text;
  const Module *module;
  bool locations, why;
} Printer;

void print_string(Text *text, const char *string);
/* A name as it is if it is a word, else in quotes. */
void print_word(Text *text, const char *name);
void print_global(Text *text, const char *name);
void print_values(Text *text, Value *const *values, int count);
void print_attributes(Printer *p, const Op *op);
void print_data(Printer *p, const Data *data, bool alone);

#endif
