#include "frontend/elaborate.h"

static const char *const names[] = {
#define BUILTIN(name, signature) #name,
#define WORD(name)               #name,
#include "frontend/builtins.def"
#define ELEMENT(name, bytes, class, meaning) #name,
#include "ir/elements.def"
#undef ELEMENT
};

const char *const *elaborate_names(size_t *count) {
  *count = sizeof names / sizeof *names;
  return names;
}
