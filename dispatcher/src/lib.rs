//! Takes envelopes from the queue and delivers each event to DSK, once in effect.
