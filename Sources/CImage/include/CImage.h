#ifndef APUS_CIMAGE_H
#define APUS_CIMAGE_H
#endif
