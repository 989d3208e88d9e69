#include "passes/pass.h"

bool pass_canon(PassContext *context) {
  (void)context;
  return true;
}
