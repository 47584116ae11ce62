// Debian installs the header in a folder of its own, which pkg-config does or does not name.
#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>
#else
#include <onnxruntime/onnxruntime_c_api.h>
#endif
