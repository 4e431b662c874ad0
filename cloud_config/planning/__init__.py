"""From a document to an ordered list of actions. Pure: nothing here touches the machine."""
