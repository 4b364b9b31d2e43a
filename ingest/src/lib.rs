//! Takes Meta's signed notifications and answers 200 once the queue has their events safely.
