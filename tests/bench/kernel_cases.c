#include "tests/bench/kernel_cases.h"

/* A convolution of a square map: channels in and out, size, kernel, stride, pad, groups. */
typedef struct {
  const char *group, *name;
  int in, out, size, kernel, stride, pad, groups;
} Conv;

static const Conv convs[] = {
    {"resnet", "7x7/2 3-64 @224", 3, 64, 224, 7, 2, 3, 1},
    {"resnet", "1x1 64-64 @56", 64, 64, 56, 1, 1, 0, 1},
    {"resnet", "3x3 64-64 @56", 64, 64, 56, 3, 1, 1, 1},
    {"resnet", "1x1 64-256 @56", 64, 256, 56, 1, 1, 0, 1},
    {"resnet", "1x1 256-64 @56", 256, 64, 56, 1, 1, 0, 1},
    {"resnet", "1x1 256-128 @56", 256, 128, 56, 1, 1, 0, 1},
    {"resnet", "3x3/2 128-128 @56", 128, 128, 56, 3, 2, 1, 1},
    {"resnet", "1x1/2 256-512 @56", 256, 512, 56, 1, 2, 0, 1},
    {"resnet", "1x1 128-512 @28", 128, 512, 28, 1, 1, 0, 1},
    {"resnet", "1x1 512-128 @28", 512, 128, 28, 1, 1, 0, 1},
    {"resnet", "3x3 128-128 @28", 128, 128, 28, 3, 1, 1, 1},
    {"resnet", "3x3/2 256-256 @28", 256, 256, 28, 3, 2, 1, 1},
    {"resnet", "1x1/2 512-1024 @28", 512, 1024, 28, 1, 2, 0, 1},
    {"resnet", "1x1 256-1024 @14", 256, 1024, 14, 1, 1, 0, 1},
    {"resnet", "1x1 1024-256 @14", 1024, 256, 14, 1, 1, 0, 1},
    {"resnet", "3x3 256-256 @14", 256, 256, 14, 3, 1, 1, 1},
    {"resnet", "3x3/2 512-512 @14", 512, 512, 14, 3, 2, 1, 1},
    {"resnet", "1x1 512-2048 @7", 512, 2048, 7, 1, 1, 0, 1},
    {"resnet", "1x1 2048-512 @7", 2048, 512, 7, 1, 1, 0, 1},
    {"resnet", "3x3 512-512 @7", 512, 512, 7, 3, 1, 1, 1},
    {"vgg", "3x3 3-64 @224", 3, 64, 224, 3, 1, 1, 1},
    {"vgg", "3x3 64-64 @224", 64, 64, 224, 3, 1, 1, 1},
    {"vgg", "3x3 128-128 @112", 128, 128, 112, 3, 1, 1, 1},
    {"vgg", "3x3 256-256 @56", 256, 256, 56, 3, 1, 1, 1},
    {"vgg", "3x3 512-512 @28", 512, 512, 28, 3, 1, 1, 1},
    {"vgg", "3x3 512-512 @14", 512, 512, 14, 3, 1, 1, 1},
    {"alexnet", "11x11/4 3-64 @224", 3, 64, 224, 11, 4, 2, 1},
    {"alexnet", "5x5 64-192 @27", 64, 192, 27, 5, 1, 2, 1},
    {"alexnet", "3x3 192-384 @13", 192, 384, 13, 3, 1, 1, 1},
    {"alexnet", "3x3 384-256 @13", 384, 256, 13, 3, 1, 1, 1},
    {"mobilenet", "3x3/2 3-32 @224", 3, 32, 224, 3, 2, 1, 1},
    {"mobilenet", "1x1 16-96 @112", 16, 96, 112, 1, 1, 0, 1},
    {"mobilenet", "1x1 32-16 @112", 32, 16, 112, 1, 1, 0, 1},
    {"mobilenet", "1x1 144-24 @56", 144, 24, 56, 1, 1, 0, 1},
    {"mobilenet", "1x1 960-160 @7", 960, 160, 7, 1, 1, 0, 1},
    {"mobilenet", "1x1 320-1280 @7", 320, 1280, 7, 1, 1, 0, 1},
    {"mobilenet", "dw 3x3 32 @112", 32, 32, 112, 3, 1, 1, 32},
    {"mobilenet", "dw 3x3/2 96 @112", 96, 96, 112, 3, 2, 1, 96},
    {"mobilenet", "dw 3x3 144 @56", 144, 144, 56, 3, 1, 1, 144},
    {"mobilenet", "dw 3x3 384 @14", 384, 384, 14, 3, 1, 1, 384},
    {"mobilenet", "dw 3x3 960 @7", 960, 960, 7, 3, 1, 1, 960},
    {"others", "grouped 3x3 128-128/32 @56", 128, 128, 56, 3, 1, 1, 32},
    {"others", "grouped 5x5 96-256/2 @27", 96, 256, 27, 5, 1, 2, 2},
    {"others", "5x5 1-6 @28", 1, 6, 28, 5, 1, 2, 1},
    {"others", "5x5 6-16 @14", 6, 16, 14, 5, 1, 0, 1},
    {"others", "3x3 192-192 @19", 192, 192, 19, 3, 1, 1, 1},
    {"others", "8x8/4 4-32 @84", 4, 32, 84, 8, 4, 0, 1},
};
enum { CONVS = sizeof convs / sizeof *convs };

/* The same of several images: gradients of steps, for the weight and for the input. */
typedef struct {
  Conv conv;
  int images;
  bool data;
} Gradient;

static const Gradient gradients[] = {
    {{"weights", "3x3 3-64 @32", 3, 64, 32, 3, 1, 1, 1}, 32, false},
    {{"weights", "3x3 64-64 @32", 64, 64, 32, 3, 1, 1, 1}, 32, false},
    {{"weights", "3x3/2 64-128 @32", 64, 128, 32, 3, 2, 1, 1}, 32, false},
    {{"weights", "3x3/2 256-512 @8", 256, 512, 8, 3, 2, 1, 1}, 32, false},
    {{"weights", "3x3 512-512 @4", 512, 512, 4, 3, 1, 1, 1}, 32, false},
    {{"weights", "7x7/2 3-64 @224", 3, 64, 224, 7, 2, 3, 1}, 4, false},
    {{"weights", "11x11/4 3-64 @224", 3, 64, 224, 11, 4, 2, 1}, 4, false},
    {{"weights", "1x1 64-64 @56", 64, 64, 56, 1, 1, 0, 1}, 4, false},
    {{"weights", "1x1 64-256 @56", 64, 256, 56, 1, 1, 0, 1}, 4, false},
    {{"weights", "1x1 256-64 @56", 256, 64, 56, 1, 1, 0, 1}, 4, false},
    {{"weights", "1x1/2 256-512 @56", 256, 512, 56, 1, 2, 0, 1}, 4, false},
    {{"weights", "1x1 512-2048 @7", 512, 2048, 7, 1, 1, 0, 1}, 4, false},
    {{"weights", "1x1 16-96 @112", 16, 96, 112, 1, 1, 0, 1}, 4, false},
    {{"weights", "1x1 144-24 @56", 144, 24, 56, 1, 1, 0, 1}, 4, false},
    {{"weights", "dw 3x3 144 @56", 144, 144, 56, 3, 1, 1, 144}, 4, false},
    {{"weights", "dw 3x3/2 144 @56", 144, 144, 56, 3, 2, 1, 144}, 4, false},
    {{"weights", "grouped 3x3 128-128/32 @56", 128, 128, 56, 3, 1, 1, 32}, 4, false},
    {{"weights", "grouped 3x3/2 256-256/32 @56", 256, 256, 56, 3, 2, 1, 32}, 4, false},
    {{"weights", "grouped 3x3/2 512-512/32 @28", 512, 512, 28, 3, 2, 1, 32}, 4, false},
    {{"weights", "grouped 3x3 1024-1024/32 @7", 1024, 1024, 7, 3, 1, 1, 32}, 4, false},
    {{"data", "3x3 64-64 @32", 64, 64, 32, 3, 1, 1, 1}, 32, true},
    {{"data", "3x3/2 64-128 @32", 64, 128, 32, 3, 2, 1, 1}, 32, true},
    {{"data", "1x1 512-2048 @7", 512, 2048, 7, 1, 1, 0, 1}, 4, true},
    {{"data", "1x1 144-24 @56", 144, 24, 56, 1, 1, 0, 1}, 4, true},
    {{"data", "dw 3x3 144 @56", 144, 144, 56, 3, 1, 1, 144}, 4, true},
    {{"data", "dw 3x3/2 144 @56", 144, 144, 56, 3, 2, 1, 144}, 4, true},
    {{"data", "grouped 3x3 128-128/32 @56", 128, 128, 56, 3, 1, 1, 32}, 4, true},
    {{"data", "grouped 3x3/2 256-256/32 @56", 256, 256, 56, 3, 2, 1, 32}, 4, true},
};
enum { GRADIENTS = sizeof gradients / sizeof *gradients };

/* x [M, K] by a weight [N, K]. */
typedef struct {
  const char *group, *name;
  int m, k, n;
} Dot;

static const Dot dots[] = {
    {"dot", "256 256 256", 256, 256, 256},       {"dot", "512 512 512", 512, 512, 512},
    {"dot", "1024 1024 1024", 1024, 1024, 1024}, {"dot", "2048 2048 2048", 2048, 2048, 2048},
    {"bert", "128 768 768", 128, 768, 768},      {"bert", "128 768 3072", 128, 768, 3072},
    {"bert", "128 3072 768", 128, 3072, 768},    {"dot", "3136 64 256", 3136, 64, 256},
    {"vector", "1 784 512", 1, 784, 512},        {"vector", "1 2048 1000", 1, 2048, 1000},
    {"vector", "1 768 3072", 1, 768, 3072},      {"vector", "1 4096 4096", 1, 4096, 4096},
    {"vector", "1 9216 4096", 1, 9216, 4096},    {"vector", "1 25088 4096", 1, 25088, 4096},
    {"vector", "4 1024 1024", 4, 1024, 1024},    {"vector", "64 784 512", 64, 784, 512},
};
enum { DOTS = sizeof dots / sizeof *dots };

/* Other operations as they are: inputs, body, result. */
typedef struct {
  const char *group, *name, *text;
} Plain;

static const Plain plains[] = {
    {"values", "512 512 512 of values",
     "(%x: f32[512,512], %y: f32[512,512]) -> f32[512,512] {\n"
     "  %0 = dot %x, %y {contract=[[1],[0]]} : f32[512,512]\n  return %0\n}\n"},
    {"values", "512 512 512 by rows of y",
     "(%x: f32[512,512], %y: f32[512,512]) -> f32[512,512] {\n"
     "  %0 = dot %x, %y {contract=[[1],[1]]} : f32[512,512]\n  return %0\n}\n"},
    {"values", "1024 1024 1024 of values",
     "(%x: f32[1024,1024], %y: f32[1024,1024]) -> f32[1024,1024] {\n"
     "  %0 = dot %x, %y {contract=[[1],[0]]} : f32[1024,1024]\n  return %0\n}\n"},
    {"values", "8 512 512 of values",
     "(%x: f32[8,512], %y: f32[512,512]) -> f32[8,512] {\n"
     "  %0 = dot %x, %y {contract=[[1],[0]]} : f32[8,512]\n  return %0\n}\n"},
    {"values", "100 of 8 32 32",
     "(%x: f32[100,8,32], %y: f32[100,32,32]) -> f32[100,8,32] {\n"
     "  %0 = dot %x, %y {contract=[[2],[1]], batch=[[0],[0]]} : f32[100,8,32]\n  return %0\n}\n"},
    {"values", "100 of 12 31 33 by rows of y",
     "(%x: f32[100,12,31], %y: f32[100,33,31]) -> f32[100,12,33] {\n"
     "  %0 = dot %x, %y {contract=[[2],[2]], batch=[[0],[0]]} : f32[100,12,33]\n  return %0\n}\n"},
    {"attention", "q k^T 12x128x64",
     "(%q: f32[1,12,128,64], %k: f32[1,12,128,64]) -> f32[1,12,128,128] {\n"
     "  %0 = dot %q, %k {contract=[[3],[3]], batch=[[0,1],[0,1]]} : f32[1,12,128,128]\n"
     "  return %0\n}\n"},
    {"attention", "p v 12x128x64",
     "(%p: f32[1,12,128,128], %v: f32[1,12,128,64]) -> f32[1,12,128,64] {\n"
     "  %0 = dot %p, %v {contract=[[3],[2]], batch=[[0,1],[0,1]]} : f32[1,12,128,64]\n"
     "  return %0\n}\n"},
    {"attention", "whole 12x128x64",
     "(%q: f32[1,12,128,64], %k: f32[1,12,128,64], %v: f32[1,12,128,64]) -> f32[1,12,128,64] {\n"
     "  %0, %1 = attention %q, %k, %v : f32[1,12,128,64], f32[1,12,128]\n  return %0\n}\n"},
    {"attention", "whole, causal 12x1024x64",
     "(%q: f32[1,12,1024,64], %k: f32[1,12,1024,64], %v: f32[1,12,1024,64]) "
     "-> f32[1,12,1024,64] {\n"
     "  %0, %1 = attention %q, %k, %v {causal=true} : f32[1,12,1024,64], f32[1,12,1024]\n"
     "  return %0\n}\n"},
    {"attention", "one query, 12x1024x64",
     "(%q: f32[1,12,1,64], %k: f32[1,12,1024,64], %v: f32[1,12,1024,64]) -> f32[1,12,1,64] {\n"
     "  %0, %1 = attention %q, %k, %v : f32[1,12,1,64], f32[1,12,1]\n  return %0\n}\n"},
    {"attention", "q k^T head axis in the middle",
     "(%q: f32[1,128,12,64], %k: f32[1,128,12,64]) -> f32[1,12,128,128] {\n"
     "  %0 = dot %q, %k {contract=[[3],[3]], batch=[[0,2],[0,2]]} : f32[1,12,128,128]\n"
     "  return %0\n}\n"},
    {"transposed", "4x4/2 128-64 @16",
     "(%x: f32[1,128,16,16]) -> f32[1,64,32,32] {\n  %w = read @w : f32[128,64,4,4]\n"
     "  %0 = conv_transpose %x, %w {stride=[2,2], pad=[[1,1],[1,1]]} : f32[1,64,32,32]\n"
     "  return %0\n}\nparam @w : f32[128,64,4,4]\n"},
    {"pooling", "max 3x3/2 64 @112",
     "(%x: f32[1,112,112,64]) -> f32[1,56,56,64] {\n"
     "  %0 = windows %x {axes=[1,2], kernel=[3,3], stride=[2,2], pad=[[1,1],[1,1]], value=-inf} "
     ": f32[1,56,56,64,3,3]\n"
     "  %1 = max %0 {axis=[4,5]} : f32[1,56,56,64]\n  return %1\n}\n"},
    {"pooling", "max 2x2/2 64 @224",
     "(%x: f32[1,224,224,64]) -> f32[1,112,112,64] {\n"
     "  %0 = windows %x {axes=[1,2], kernel=[2,2], stride=[2,2], value=-inf} "
     ": f32[1,112,112,64,2,2]\n"
     "  %1 = max %0 {axis=[4,5]} : f32[1,112,112,64]\n  return %1\n}\n"},
    {"pooling", "global average 2048 @7",
     "(%x: f32[1,7,7,2048]) -> f32[1,2048] {\n  %0 = sum %x {axis=[1,2]} : f32[1,2048]\n"
     "  %1 = constant {value=0.02} : f32[]\n"
     "  %2 = mul %0, %1 : f32[1,2048]\n  return %2\n}\n"},
    {"pooling", "max 3x3 480 @14",
     "(%x: f32[1,14,14,480]) -> f32[1,14,14,480] {\n"
     "  %0 = windows %x {axes=[1,2], kernel=[3,3], stride=[1,1], pad=[[1,1],[1,1]], value=-inf} "
     ": f32[1,14,14,480,3,3]\n"
     "  %1 = max %0 {axis=[4,5]} : f32[1,14,14,480]\n  return %1\n}\n"},
    {"pooling", "average 3x3 192 @35",
     "(%x: f32[1,35,35,192]) -> f32[1,35,35,192] {\n"
     "  %0 = windows %x {axes=[1,2], kernel=[3,3], stride=[1,1], pad=[[1,1],[1,1]], value=0} "
     ": f32[1,35,35,192,3,3]\n"
     "  %1 = sum %0 {axis=[4,5]} : f32[1,35,35,192]\n"
     "  %2 = constant {value=0.11} : f32[]\n"
     "  %3 = mul %1, %2 : f32[1,35,35,192]\n  return %3\n}\n"},
    {"pooling", "global average 512 @7",
     "(%x: f32[1,7,7,512]) -> f32[1,512] {\n  %0 = sum %x {axis=[1,2]} : f32[1,512]\n"
     "  %1 = constant {value=0.02} : f32[]\n"
     "  %2 = mul %0, %1 : f32[1,512]\n  return %2\n}\n"},
    {"statistics", "sums of channels 32x28x28x128",
     "(%x: f32[32,28,28,128]) -> f32[128] {\n  %0 = sum %x {axis=[0,1,2]} : f32[128]\n"
     "  return %0\n}\n"},
    {"statistics", "sums of channels 32x7x7x512",
     "(%x: f32[32,7,7,512]) -> f32[512] {\n  %0 = sum %x {axis=[0,1,2]} : f32[512]\n"
     "  return %0\n}\n"},
    {"statistics", "variances 32x14x14x256",
     "(%x: f32[32,14,14,256], %m: f32[256]) -> f32[256] {\n"
     "  %0 = sub %x, %m : f32[32,14,14,256]\n  %1 = mul %0, %0 : f32[32,14,14,256]\n"
     "  %2 = sum %1 {axis=[0,1,2]} : f32[256]\n  return %2\n}\n"},
    {"statistics", "sums of rows 2048x768",
     "(%x: f32[2048,768]) -> f32[768] {\n  %0 = sum %x {axis=[0]} : f32[768]\n"
     "  return %0\n}\n"},
    {"rows", "softmax 16x128",
     "(%x: f32[16,128]) -> f32[16,128] {\n  %0 = softmax %x {axis=1} : f32[16,128]\n"
     "  return %0\n}\n"},
    {"rows", "softmax 1x50257",
     "(%x: f32[1,50257]) -> f32[1,50257] {\n  %0 = softmax %x {axis=1} : f32[1,50257]\n"
     "  return %0\n}\n"},
    {"rows", "log softmax 64x10",
     "(%x: f32[64,10]) -> f32[64,10] {\n"
     "  %0 = max %x {axis=[1], keepdims=true} : f32[64,1]\n  %1 = sub %x, %0 : f32[64,10]\n"
     "  %2 = exp %1 : f32[64,10]\n  %3 = sum %2 {axis=[1], keepdims=true} : f32[64,1]\n"
     "  %4 = log %3 : f32[64,1]\n  %5 = sub %1, %4 : f32[64,10]\n  return %5\n}\n"},
    {"rows", "softmax 1536x128",
     "(%x: f32[1536,128]) -> f32[1536,128] {\n  %0 = softmax %x {axis=1} : f32[1536,128]\n"
     "  return %0\n}\n"},
    {"rows", "softmax 128x1000",
     "(%x: f32[128,1000]) -> f32[128,1000] {\n  %0 = softmax %x {axis=1} : f32[128,1000]\n"
     "  return %0\n}\n"},
    {"rows", "mean, variance, normal form 128x768",
     "(%x: f32[128,768]) -> f32[128,768] {\n"
     "  %0 = sum %x {axis=[1], keepdims=true} : f32[128,1]\n"
     "  %1 = constant {value=0.0013} : f32[]\n  %2 = mul %0, %1 : f32[128,1]\n"
     "  %3 = sub %x, %2 : f32[128,768]\n  %4 = mul %3, %3 : f32[128,768]\n"
     "  %5 = sum %4 {axis=[1], keepdims=true} : f32[128,1]\n  %6 = mul %5, %1 : f32[128,1]\n"
     "  %7 = constant {value=1e-5} : f32[]\n  %8 = add %6, %7 : f32[128,1]\n"
     "  %9 = rsqrt %8 : f32[128,1]\n  %10 = mul %3, %9 : f32[128,768]\n  return %10\n}\n"},
    {"rows", "layer norm 16x768",
     "(%x: f32[16,768], %g: f32[768], %b: f32[768]) -> f32[16,768] {\n"
     "  %0 = sum %x {axis=[1], keepdims=true} : f32[16,1]\n"
     "  %1 = constant {value=0.0013} : f32[]\n  %2 = mul %0, %1 : f32[16,1]\n"
     "  %3 = sub %x, %2 : f32[16,768]\n  %4 = mul %3, %3 : f32[16,768]\n"
     "  %5 = sum %4 {axis=[1], keepdims=true} : f32[16,1]\n  %6 = mul %5, %1 : f32[16,1]\n"
     "  %7 = constant {value=1e-5} : f32[]\n  %8 = add %6, %7 : f32[16,1]\n"
     "  %9 = rsqrt %8 : f32[16,1]\n  %10 = mul %3, %9 : f32[16,768]\n"
     "  %11 = mul %10, %g : f32[16,768]\n  %12 = add %11, %b : f32[16,768]\n"
     "  return %12\n}\n"},
    {"elements", "add, relu 32x512",
     "(%x: f32[32,512], %y: f32[32,512]) -> f32[32,512] {\n"
     "  %0 = add %x, %y : f32[32,512]\n  %1 = constant {value=0} : f32[]\n"
     "  %2 = maximum %0, %1 : f32[32,512]\n  return %2\n}\n"},
    {"elements", "exp 16x1024",
     "(%x: f32[16,1024]) -> f32[16,1024] {\n  %0 = exp %x : f32[16,1024]\n  return %0\n}\n"},
    {"elements", "tanh 16x1024",
     "(%x: f32[16,1024]) -> f32[16,1024] {\n  %0 = tanh %x : f32[16,1024]\n  return %0\n}\n"},
    {"elements", "gelu 16x1024",
     "(%x: f32[16,1024]) -> f32[16,1024] {\n  %0 = constant {value=0.70710678} : f32[]\n"
     "  %1 = mul %x, %0 : f32[16,1024]\n  %2 = erf %1 : f32[16,1024]\n"
     "  %3 = constant {value=1} : f32[]\n  %4 = add %2, %3 : f32[16,1024]\n"
     "  %5 = constant {value=0.5} : f32[]\n  %6 = mul %x, %5 : f32[16,1024]\n"
     "  %7 = mul %6, %4 : f32[16,1024]\n  return %7\n}\n"},
    {"elements", "sigmoid 16x1024",
     "(%x: f32[16,1024]) -> f32[16,1024] {\n  %0 = neg %x : f32[16,1024]\n"
     "  %1 = minimum %x, %0 : f32[16,1024]\n  %2 = exp %1 : f32[16,1024]\n"
     "  %3 = constant {value=1} : f32[]\n  %4 = add %2, %3 : f32[16,1024]\n"
     "  %5 = constant {value=0} : f32[]\n  %6 = le %5, %x : bool[16,1024]\n"
     "  %7 = where %6, %3, %2 : f32[16,1024]\n"
     "  %8 = div %7, %4 : f32[16,1024]\n  return %8\n}\n"},
    {"elements", "add, relu 1M",
     "(%x: f32[1024,1024], %y: f32[1024,1024]) -> f32[1024,1024] {\n"
     "  %0 = add %x, %y : f32[1024,1024]\n  %1 = constant {value=0} : f32[]\n"
     "  %2 = maximum %0, %1 : f32[1024,1024]\n  return %2\n}\n"},
    {"elements", "tanh 128x3072",
     "(%x: f32[128,3072]) -> f32[128,3072] {\n  %0 = tanh %x : f32[128,3072]\n  return %0\n}\n"},
    {"elements", "erf 128x3072",
     "(%x: f32[128,3072]) -> f32[128,3072] {\n  %0 = erf %x : f32[128,3072]\n  return %0\n}\n"},
    {"elements", "bias of channels, tanh 56x56x64",
     "(%x: f32[1,56,56,64], %b: f32[64]) -> f32[1,56,56,64] {\n"
     "  %0 = add %x, %b : f32[1,56,56,64]\n  return %0\n}\n"},
    {"moves", "pad 1 64 @56",
     "(%x: f32[1,56,56,64]) -> f32[1,58,58,64] {\n"
     "  %0 = pad %x {before=[0,1,1,0], after=[0,1,1,0]} : f32[1,58,58,64]\n  return %0\n}\n"},
    {"moves", "pad 3, nchw to nhwc 3 @224",
     "(%x: f32[1,3,224,224]) -> f32[1,230,230,3] {\n"
     "  %0 = transpose %x {perm=[0,2,3,1]} : f32[1,224,224,3]\n"
     "  %1 = pad %0 {before=[0,3,3,0], after=[0,3,3,0]} : f32[1,230,230,3]\n  return %1\n}\n"},
    {"moves", "transpose 1024x1024",
     "(%x: f32[1024,1024]) -> f32[1024,1024] {\n"
     "  %0 = transpose %x {perm=[1,0]} : f32[1024,1024]\n  return %0\n}\n"},
    {"moves", "transpose 128x256",
     "(%x: f32[128,256]) -> f32[256,128] {\n"
     "  %0 = transpose %x {perm=[1,0]} : f32[256,128]\n  return %0\n}\n"},
    {"moves", "transpose 768x3072",
     "(%x: f32[768,3072]) -> f32[3072,768] {\n"
     "  %0 = transpose %x {perm=[1,0]} : f32[3072,768]\n  return %0\n}\n"},
    {"moves", "nchw to nhwc 256 @14",
     "(%x: f32[8,256,14,14]) -> f32[8,14,14,256] {\n"
     "  %0 = transpose %x {perm=[0,2,3,1]} : f32[8,14,14,256]\n  return %0\n}\n"},
    {"embedding", "1024 rows of 50257x768",
     "(%t: f32[50257,768]) -> f32[1024,768] {\n  %0 = iota {axis=0} : i64[1024]\n"
     "  %1 = constant {value=49} : i64[]\n  %2 = mul %0, %1 : i64[1024]\n"
     "  %5 = gather %t, %2 {axis=0} : f32[1024,768]\n  return %5\n}\n"},
    {"embedding", "gradient of 1024 rows of 8192x256",
     "(%u: f32[1024,256]) -> f32[8192,256] {\n  %0 = iota {axis=0} : i64[1024]\n"
     "  %1 = constant {value=7} : i64[]\n  %2 = mul %0, %1 : i64[1024]\n"
     "  %5 = full {value=0} : f32[8192,256]\n"
     "  %6 = scatter_add %5, %2, %u {axis=0} : f32[8192,256]\n  return %6\n}\n"},
    {"moves", "heads 128x12x64",
     "(%x: f32[1,128,12,64]) -> f32[1,12,128,64] {\n"
     "  %0 = transpose %x {perm=[0,2,1,3]} : f32[1,12,128,64]\n  return %0\n}\n"},
    {"moves", "concat 192+208+48+64 @14",
     "(%x: f32[1,14,14,192], %y: f32[1,14,14,208], %z: f32[1,14,14,48]) -> f32[1,14,14,448] {\n"
     "  %0 = concat %x, %y, %z {axis=3} : f32[1,14,14,448]\n  return %0\n}\n"},
};
enum { PLAINS = sizeof plains / sizeof *plains };

/* What optimizers do to a parameter, and their tensors. */
typedef struct {
  const char *group, *name, *text, *tensors;
} Update;

static const Update updates[] = {
    {"update", "sgd, momentum 1024x1024",
     "(%g: f32[1024,1024]) -> f32[] {\n  %p = read @p : f32[1024,1024]\n"
     "  %v = read @v : f32[1024,1024]\n  %0 = constant {value=0.9} : f32[]\n"
     "  %1 = mul %v, %0 : f32[1024,1024]\n  %2 = add %1, %g : f32[1024,1024]\n"
     "  %3 = constant {value=0.01} : f32[]\n  %4 = mul %2, %3 : f32[1024,1024]\n"
     "  %5 = sub %p, %4 : f32[1024,1024]\n  write @v %2\n  write @p %5\n  return %3\n}\n",
     "param @p : f32[1024,1024]\nstate @v : f32[1024,1024]\n"},
    {"update", "adam 1024x1024",
     "(%g: f32[1024,1024]) -> f32[] {\n  %p = read @p : f32[1024,1024]\n"
     "  %m = read @m : f32[1024,1024]\n  %v = read @v : f32[1024,1024]\n"
     "  %0 = constant {value=0.9} : f32[]\n  %1 = mul %m, %0 : f32[1024,1024]\n"
     "  %2 = constant {value=0.1} : f32[]\n  %3 = mul %g, %2 : f32[1024,1024]\n"
     "  %4 = add %1, %3 : f32[1024,1024]\n  %5 = constant {value=0.999} : f32[]\n"
     "  %6 = mul %v, %5 : f32[1024,1024]\n  %7 = constant {value=0.001} : f32[]\n"
     "  %8 = mul %g, %g : f32[1024,1024]\n  %9 = mul %8, %7 : f32[1024,1024]\n"
     "  %10 = add %6, %9 : f32[1024,1024]\n  %11 = sqrt %10 : f32[1024,1024]\n"
     "  %12 = constant {value=1e-8} : f32[]\n  %13 = add %11, %12 : f32[1024,1024]\n"
     "  %14 = mul %4, %7 : f32[1024,1024]\n  %15 = div %14, %13 : f32[1024,1024]\n"
     "  %16 = sub %p, %15 : f32[1024,1024]\n  write @m %4\n  write @v %10\n  write @p %16\n"
     "  return %7\n}\n",
     "param @p : f32[1024,1024]\nstate @m : f32[1024,1024]\nstate @v : f32[1024,1024]\n"},
};
enum { UPDATES = sizeof updates / sizeof *updates };

static void conv_text(const Conv *c, Text *text) {
  int out = (c->size + 2 * c->pad - c->kernel) / c->stride + 1;
  text_format(text, "module conv\nparam @w : f32[%d,%d,%d,%d]\nparam @b : f32[%d]\n", c->out,
              c->in / c->groups, c->kernel, c->kernel, c->out);
  text_format(text, "func model @f(%%x: f32[1,%d,%d,%d]) -> f32[1,%d,%d,%d] {\n", c->size, c->size,
              c->in, out, out, c->out);
  text_format(text, "  %%w = read @w : f32[%d,%d,%d,%d]\n  %%b = read @b : f32[%d]\n", c->out,
              c->in / c->groups, c->kernel, c->kernel, c->out);
  text_format(text, "  %%0 = transpose %%x {perm=[0,3,1,2]} : f32[1,%d,%d,%d]\n", c->in, c->size,
              c->size);
  text_format(text,
              "  %%1 = conv %%0, %%w {stride=[%d,%d], pad=[[%d,%d],[%d,%d]], groups=%d} "
              ": f32[1,%d,%d,%d]\n",
              c->stride, c->stride, c->pad, c->pad, c->pad, c->pad, c->groups, c->out, out, out);
  text_format(text, "  %%2 = reshape %%b {shape=[%d,1,1]} : f32[%d,1,1]\n", c->out, c->out);
  text_format(text, "  %%3 = add %%1, %%2 : f32[1,%d,%d,%d]\n", c->out, out, out);
  text_format(text,
              "  %%c = constant {value=0} : f32[]\n  %%4 = maximum %%3, %%c : f32[1,%d,%d,%d]\n",
              c->out, out, out);
  text_format(text, "  %%5 = transpose %%4 {perm=[0,2,3,1]} : f32[1,%d,%d,%d]\n  return %%5\n}\n",
              out, out, c->out);
}

static void gradient_text(const Gradient *g, Text *text) {
  const Conv *c = &g->conv;
  int out = (c->size + 2 * c->pad - c->kernel) / c->stride + 1, n = g->images;
  int end = (out - 1) * c->stride + c->kernel - c->pad - c->size; /* of the padding: what is seen */
  if (end < 0) end = 0;
  text_format(text, "module gradient\nparam @w : f32[%d,%d,%d,%d]\n", c->out, c->in / c->groups,
              c->kernel, c->kernel);
  text_format(text, "func train @f(%%x: f32[%d,%d,%d,%d], %%y: f32[%d,%d,%d,%d]) -> ", n, c->size,
              c->size, c->in, n, out, out, c->out);
  if (g->data)
    text_format(text, "f32[%d,%d,%d,%d] {\n", n, c->size, c->size, c->in);
  else
    text_format(text, "f32[%d,%d,%d,%d] {\n", c->out, c->in / c->groups, c->kernel, c->kernel);
  text_format(text, "  %%0 = transpose %%y {perm=[0,3,1,2]} : f32[%d,%d,%d,%d]\n", n, c->out, out,
              out);
  if (!g->data)
    text_format(text, "  %%1 = transpose %%x {perm=[0,3,1,2]} : f32[%d,%d,%d,%d]\n", n, c->in,
                c->size, c->size);
  else
    text_format(text, "  %%1 = read @w : f32[%d,%d,%d,%d]\n", c->out, c->in / c->groups, c->kernel,
                c->kernel);
  text_format(text, "  %%2 = %s {stride=[%d,%d], pad=[[%d,%d],[%d,%d]], groups=%d",
              g->data ? "conv_transpose %0, %1" : "conv_weight %1, %0", c->stride, c->stride,
              c->pad, end, c->pad, end, c->groups);
  if (!g->data) {
    text_format(text, ", kernel=[%d,%d]} : f32[%d,%d,%d,%d]\n  return %%2\n}\n", c->kernel,
                c->kernel, c->out, c->in / c->groups, c->kernel, c->kernel);
    return;
  }
  text_format(text, "} : f32[%d,%d,%d,%d]\n", n, c->in, c->size, c->size);
  text_format(text, "  %%3 = transpose %%2 {perm=[0,2,3,1]} : f32[%d,%d,%d,%d]\n  return %%3\n}\n",
              n, c->size, c->size, c->in);
}

static void dot_text(const Dot *d, Text *text) {
  text_format(text, "module dot\nparam @w : f32[%d,%d]\nparam @b : f32[%d]\n", d->n, d->k, d->n);
  text_format(text, "func model @f(%%x: f32[%d,%d]) -> f32[%d,%d] {\n", d->m, d->k, d->m, d->n);
  text_format(text, "  %%w = read @w : f32[%d,%d]\n  %%b = read @b : f32[%d]\n", d->n, d->k, d->n);
  text_format(text, "  %%0 = dot %%x, %%w {contract=[[1],[1]]} : f32[%d,%d]\n", d->m, d->n);
  text_format(text, "  %%1 = add %%0, %%b : f32[%d,%d]\n  return %%1\n}\n", d->m, d->n);
}

bool kernel_case(size_t number, KernelCase *found, Text *text) {
  if (number < CONVS) {
    *found = (KernelCase){.group = convs[number].group, .name = convs[number].name};
    conv_text(&convs[number], text);
    return true;
  }
  if ((number -= CONVS) < GRADIENTS) {
    const Gradient *g = &gradients[number];
    *found = (KernelCase){.group = g->conv.group, .name = g->conv.name};
    gradient_text(g, text);
    return true;
  }
  if ((number -= GRADIENTS) < DOTS) {
    const Dot *d = &dots[number];
    *found = (KernelCase){d->group, d->name, d->m, d->k, d->n};
    dot_text(&dots[number], text);
    return true;
  }
  if ((number -= DOTS) < PLAINS) {
    *found = (KernelCase){.group = plains[number].group, .name = plains[number].name};
    text_format(text, "module plain\nfunc model @f%s", plains[number].text);
    return true;
  }
  if ((number -= PLAINS) >= UPDATES) return false;
  const Update *u = &updates[number];
  *found = (KernelCase){.group = u->group, .name = u->name};
  text_format(text, "module update\n%sfunc train @f%s", u->tensors, u->text);
  return true;
}
