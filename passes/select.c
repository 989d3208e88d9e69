#include "passes/pass.h"

bool pass_select(PassContext *context) {
  (void)context;
  return true;
}
