#include "ir/operator.h"

#include <string.h>

const char *const attribute_names[ATTRIBUTE_NAMES] = {
#define ATTRIBUTE_NAME(name) #name,
#include "ir/attributes.def"
#undef ATTRIBUTE_NAME
};

#define NONE
#define END                                                                                        \
  { 0, 0, NULL }
#define HAS(name, kind, standard) {ATTRIBUTE_##name, ATTRIBUTE_##kind, standard},
#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning)                   \
  {#name, least, most, results, traits, {attributes END}, shape, meaning},
const OperatorInfo operator_infos[OPERATORS] = {
#include "ir/operators.def"
};

bool operator_find(const char *name, Operator *kind) {
  for (int i = 0; i < OPERATORS; i++)
    if (strcmp(operator_infos[i].name, name) == 0) {
      *kind = (Operator)i;
      return true;
    }
  return false;
}

int operator_attribute_count(Operator kind) {
  int count = 0;
  while (count < MOST_ATTRIBUTES && operator_infos[kind].attributes[count].standard) count++;
  return count;
}
