#ifndef APUS_COPENCL_SHIM_H
#define APUS_COPENCL_SHIM_H

#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <CL/cl_ext.h>

#endif
