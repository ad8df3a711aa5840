/* The members of std::string that the Swift runtime calls. Those of libstdc++ would take their memory past the reserve
 * (see Reserve.c), and throw std::bad_alloc through code that knows no exceptions. */

#include <string>

template class std::basic_string<char>;
