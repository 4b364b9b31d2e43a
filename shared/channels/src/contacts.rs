//! Whether conversations were erased lately: then bodies are read for the other ids of the people who were erased.

use event::Address;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::lookup::LookupBatch;
use crate::store::ChannelStore;

/// What is marked when a conversation is erased. No channel has this address.
const ANY_CONTACT: &str = "contacts";

impl ChannelStore {
    /// Notes that some conversation was erased.
    pub(crate) async fn note_erased_contacts(&self, received_until: Timestamp) -> Result<(), StoreError> {
        self.mark_erased(ANY_CONTACT, received_until).await
    }

    /// What was received later than this concerns no erased conversation. `None`: none was erased for 30 days.
    pub async fn contacts_erased_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let batch = LookupBatch::of_erasures([Address::new(ANY_CONTACT)].iter());
        let reply = self.look_up_batch(&batch).await?;
        let marker = reply.marks.into_iter().flatten().next();
        Ok(marker.map(|until| until.parse().unwrap_or(Timestamp::MAX)))
    }
}
