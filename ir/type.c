#include "ir/type.h"

#include <string.h>

const ElementInfo element_infos[ELEMENTS] = {
#define ELEMENT(name, bytes, class, meaning) {#name, bytes, CLASS_##class, meaning},
#include "ir/elements.def"
#undef ELEMENT
};

bool element_find(const char *name, Element *element) {
  for (int i = 0; i < ELEMENTS; i++)
    if (strcmp(element_infos[i].name, name) == 0) {
      *element = (Element)i;
      return true;
    }
  return false;
}
