//! Entities as people name them: whole, or as the verbs of their sort take them.

use selvedge_contracts::{
    fact::EntityName,
    fault::{Code, Fault},
    id::{EntityId, Mission},
    payload::history::FactLine,
};
use selvedge_kit::client::Client;

use crate::{
    agent_folder::AgentFolder,
    commands::{
        case::CaseNamed,
        dead::LetterNamed,
        handoff::HandoffNamed,
        intent::{Named as IntentNamed, SagaNamed},
        plan::PlanNamed,
        task::TaskNamed,
    },
    connect::Context,
    exit::Failure,
    input::ContractReference,
    paging,
};

/// An entity as it is named.
pub(super) enum Named {
    Whole(EntityId),
    Plan(PlanNamed),
    Task(TaskNamed),
    Intent(IntentNamed),
    Saga(SagaNamed),
    Case(CaseNamed),
    Handoff(HandoffNamed),
    Letter(LetterNamed),
}

impl Named {
    /// What `text` names among entities of a sort.
    ///
    /// # Errors
    /// [`Failure::Usage`] says what is expected.
    pub(super) fn read(context: &Context, entity: EntityName, text: &str) -> Result<Self, Failure> {
        let named = match entity {
            EntityName::Plan => text.parse().map(Self::Plan),
            EntityName::Task => text.parse().map(Self::Task),
            EntityName::Intent => text.parse().map(Self::Intent),
            EntityName::Saga => text.parse().map(Self::Saga),
            EntityName::Case => text.parse().map(Self::Case),
            EntityName::Handoff => text.parse().map(Self::Handoff),
            EntityName::Dead => text.parse().map(Self::Letter),
            EntityName::Agent => {
                let meant = AgentFolder::id_meant(&context.home, &context.kluster, text)?;
                Ok(Self::Whole(EntityId::from(&meant)))
            }
            EntityName::Contract if text.contains('/') => {
                let reference: ContractReference = text.parse().map_err(Failure::Usage)?;
                reference.entity().map(Self::Whole).ok_or_else(|| "say NAME/VERSION".to_owned())
            }
            EntityName::Contract if !text.contains(':') => {
                Err("every version has a history of its own: say NAME/VERSION".to_owned())
            }
            _ => EntityId::new(text).map(Self::Whole).map_err(|error| error.to_string()),
        };
        named.map_err(Failure::Usage)
    }

    /// What happened to it, in the mission named or whichever has it.
    ///
    /// # Errors
    /// `not_found`; [`Failure::Usage`] if several may be meant.
    pub(super) async fn history(
        &self,
        operator: &Client,
        named: Option<&Mission>,
        entity: EntityName,
        text: &str,
    ) -> Result<Vec<FactLine>, Failure> {
        if let Self::Whole(id) = self {
            return Ok(paging::find(operator, named, entity, id).await?.1);
        }
        let missions = paging::missions_meant(operator, named).await?;
        for mission in missions.into_iter().filter(|mission| *mission != Mission::kluster()) {
            let found = match self.find(&operator.clone().in_mission(mission.clone())).await {
                Ok(id) => paging::history(operator, &mission, entity, &id).await?,
                // Another mission may have it.
                Err(Failure::Fault(fault)) if fault.code == Code::NotFound => continue,
                Err(failure) => return Err(failure),
            };
            if !found.is_empty() || matches!(self, Self::Task(_)) {
                return Ok(found);
            }
        }
        let place = named.map_or_else(String::new, |mission| format!(" in {mission}"));
        Err(Fault::not_found(format!("there is no {entity} {text}{place}")).into())
    }

    async fn find(&self, client: &Client) -> Result<EntityId, Failure> {
        Ok(match self {
            Self::Whole(id) => id.clone(),
            Self::Plan(named) => EntityId::from(&named.find(client).await?),
            // The id of a task says nothing of whether there is one.
            Self::Task(named) => EntityId::from(&named.look(client).await?.line.id),
            Self::Intent(named) => EntityId::from(&named.find(client).await?),
            Self::Saga(named) => EntityId::from(&named.find(client).await?),
            Self::Case(named) => EntityId::from(&named.find(client).await?),
            Self::Handoff(named) => EntityId::from(&named.find(client).await?),
            Self::Letter(named) => EntityId::from(&named.find(client).await?),
        })
    }
}
