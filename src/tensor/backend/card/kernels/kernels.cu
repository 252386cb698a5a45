// All kernels of the backend of a GPU.
#include "arrays.cuh"
#include "codes.cuh"
#include "convolution.cuh"
#include "images.cuh"
#include "layers.cuh"
#include "objectives.cuh"
#include "pointwise.cuh"
#include "training.cuh"
