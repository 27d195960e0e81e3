//! What happened to each email after Send Now, with proof.
