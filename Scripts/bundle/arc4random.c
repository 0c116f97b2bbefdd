/* libstdc++ was built where glibc had arc4random, which came with 2.36; the bundle is for 2.35 as well. */
#include <stdint.h>
#include <sys/random.h>

uint32_t arc4random(void) {
    uint32_t value = 0;
    while (getrandom(&value, sizeof value, 0) != sizeof value) {
    }
    return value;
}
