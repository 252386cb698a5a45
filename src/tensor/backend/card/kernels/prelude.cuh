// Lets one source compile for a GPU and, as C++, for the host, where the threads of a block run one after another.
//
// A kernel is a sequence of phases. Within a phase, each thread of a block does its part; SYNC ends a phase in which threads exchange
// numbers through SHARED arrays. No variable of a thread lives longer than a phase, except for OWN arrays.
//
// The name of a kernel begins with vaex_. All have the same argument: some words of 64 bits, each a pointer, a whole number or the bits of a float.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

// Threads of a block.
#define BLOCK 256

struct Words {
    u64 word[16];
};

#ifdef __CUDACC__

#define DEVICE __device__ __forceinline__
#define METHOD __device__ __forceinline__
#define SHARED __shared__
#define SYNC __syncthreads()
#define EACH_THREAD
#define OWN(type, name, count) type name[count]
#define OF_THREAD(name) name
#define MULTIPLY_ADD(a, b, c) fmaf(a, b, c)
#define UNROLL _Pragma("unroll")
#define THREAD threadIdx.x
#define BLOCK_NUMBER blockIdx.x
#define BLOCKS gridDim.x
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(BLOCK) vaex_##name(const Words words)

#else

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

static thread_local u32 host_thread, host_threads, host_block, host_blocks;
// Whether the threads of a block run from the last to the first one: results must not depend on it.
static thread_local bool host_is_backward;
// Whether there was a SYNC after the last phase.
static thread_local bool host_is_apart;

extern "C" void vaex_backward(bool is_backward) {
    host_is_backward = is_backward;
}

static inline void host_begin() {
    if (!host_is_apart) {
        fprintf(stderr, "there is no SYNC between two phases of a kernel\n");
        abort();
    }
    host_is_apart = false;
    host_threads = 0;
}

static inline bool host_next() {
    if (host_threads == BLOCK) {
        return false;
    }
    host_thread = host_is_backward ? BLOCK - 1 - host_threads : host_threads;
    ++host_threads;
    return true;
}

#define DEVICE static inline
#define METHOD inline
#define SHARED static thread_local
#define SYNC host_is_apart = true
#define OWN(type, name, count) static thread_local type name##_of_all[BLOCK][count]
#define OF_THREAD(name) name##_of_all[THREAD]
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#define UNROLL
#define EACH_THREAD for (host_begin(); host_next();)
#define THREAD host_thread
#define BLOCK_NUMBER host_block
#define BLOCKS host_blocks
#define KERNEL(name)                                                    \
    static void name##_of_block(const Words& words);                    \
    extern "C" void vaex_##name(const Words* words, u32 blocks) {       \
        host_blocks = blocks;                                           \
        for (host_block = 0; host_block < blocks; ++host_block) {       \
            host_is_apart = true;                                       \
            name##_of_block(*words);                                    \
        }                                                               \
    }                                                                   \
    static void name##_of_block(const Words& words)

DEVICE float __uint_as_float(u32 bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
DEVICE u32 __float_as_uint(float value) {
    u32 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
DEVICE double __longlong_as_double(long long bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
DEVICE long long __double_as_longlong(double value) {
    long long bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#endif

// The words of a kernel: a pointer, a whole number, a float.
#define ARRAY(place) ((float*)words.word[place])
#define COUNT(place) ((u32)words.word[place])
#define NUMBER(place) __uint_as_float((u32)words.word[place])

// Runs what follows for each of `count` elements, up to 2^31, shared among all threads. Dividing numbers of 64 bits is slow.
#define EACH(element, count)                                                                            \
    EACH_THREAD for (u32 element = BLOCK_NUMBER * BLOCK + THREAD; element < (u32)(count); element += BLOCKS * BLOCK)

// Four neighbouring floats, which are read and written at once.
struct alignas(16) Quad {
    float value[4];
};

// Sums one number of each thread of a block, always in the same order; the sum is in part[0] afterwards.
#define SUM_OF_BLOCK(part)                                      \
    for (u32 half = BLOCK / 2; half > 0; half /= 2) {           \
        EACH_THREAD if (THREAD < half) {                        \
            part[THREAD] += part[THREAD + half];                \
        }                                                       \
        SYNC;                                                   \
    }
