//! One integration binary; each module tests one behaviour through the real program.
