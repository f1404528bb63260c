; An unsafe block whose line, and the line above it, do not say why it is sound.
((unsafe_block) @rust-unsafe)
