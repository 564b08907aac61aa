// Owns the precompiled header of the test executables (CMakeLists.txt); does nothing.
int main() { return 0; }
