// Operations on the values at the same place of one or two arrays.
#pragma once
#include "layers.cuh"

// a, b, results, count: sigmoid(a) b
KERNEL(gate) {
    EACH(place, COUNT(3)) {
        ARRAY(2)[place] = sigmoid_of(ARRAY(0)[place]) * ARRAY(1)[place];
    }
}

// a, b, dresults, da, db, count: adds the gradients
KERNEL(gate_backward) {
    EACH(place, COUNT(5)) {
        float gate = sigmoid_of(ARRAY(0)[place]), dresult = ARRAY(2)[place];
        ARRAY(3)[place] += dresult * ARRAY(1)[place] * gate * (1.0f - gate);
        ARRAY(4)[place] += dresult * gate;
    }
}

// a, b, results, count: a + b
KERNEL(sum) {
    EACH(place, COUNT(3)) {
        ARRAY(2)[place] = ARRAY(0)[place] + ARRAY(1)[place];
    }
}

// a, b, dresults, da, db, count: adds the gradients
KERNEL(sum_backward) {
    EACH(place, COUNT(5)) {
        ARRAY(3)[place] += ARRAY(2)[place];
        ARRAY(4)[place] += ARRAY(2)[place];
    }
}

// a, unused, results, count, least, most
KERNEL(bound) {
    EACH(place, COUNT(3)) {
        float a = ARRAY(0)[place];
        ARRAY(2)[place] = a < NUMBER(4) ? NUMBER(4) : a > NUMBER(5) ? NUMBER(5) : a;
    }
}

// a, unused, dresults, da, unused, count, least, most: adds the gradient
KERNEL(bound_backward) {
    EACH(place, COUNT(5)) {
        float a = ARRAY(0)[place];
        ARRAY(3)[place] += a > NUMBER(6) && a < NUMBER(7) ? ARRAY(2)[place] : 0.0f;
    }
}

// a, unused, results, count, activation
KERNEL(activation) {
    EACH(place, COUNT(3)) {
        ARRAY(2)[place] = activation_of(COUNT(4), ARRAY(0)[place]);
    }
}

// a, unused, dresults, da, unused, count, activation, whether its derivative is a function of its argument: adds the gradient
KERNEL(activation_backward) {
    EACH(place, COUNT(5)) {
        float a = ARRAY(0)[place];
        float at = COUNT(7) ? a : activation_of(COUNT(6), a);
        ARRAY(3)[place] += activation_gradient(COUNT(6), at, ARRAY(2)[place]);
    }
}
