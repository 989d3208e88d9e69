#include "passes/pass.h"

bool pass_plan(PassContext *context) {
  (void)context;
  return true;
}
