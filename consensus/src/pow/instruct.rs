//! What a person decides: about branches, against the rules of choice; and which block is mined now.

use super::Pow;
use super::tree::Mark;
use crate::engine::{Instruction, InstructionError, Record, RefusedBranch};

impl Pow {
    /// Whether an instruction can be carried out.
    pub(super) fn judge_instruction(&self, instruction: &Instruction) -> Result<(), InstructionError> {
        match instruction {
            Instruction::Mine(wish) => Ok(self.judge_wish(wish)?),
            Instruction::Invalidate(id) | Instruction::Reconsider(id) if self.tree.get(id).is_none() => {
                Err(InstructionError::Unknown(*id))
            }
            Instruction::Reconsider(_) => Ok(()),
            Instruction::Invalidate(id) if *id == self.tree.genesis() => Err(InstructionError::Genesis),
            Instruction::Invalidate(id) if !self.tree.is_active(id) => Ok(()),
            Instruction::Invalidate(id) => {
                let height = self.tree.node(id).height;
                let below = height.previous().expect("only genesis has none below");
                if self.chain.is_undoable_to(below) { Ok(()) } else { Err(InstructionError::NoUndo(below)) }
            }
        }
    }

    pub(super) fn on_instruction(&mut self, instruction: Instruction) {
        if self.judge_instruction(&instruction).is_err() {
            return;
        }
        match instruction {
            Instruction::Invalidate(id) => {
                self.persist(Record::Invalidated(id));
                self.tree.mark(&id, Mark::Hand);
            }
            Instruction::Reconsider(id) => {
                for cleared in self.tree.clear_marks(&id) {
                    self.persist(Record::Reconsidered(cleared));
                }
                self.tree.allow(&id);
            }
            Instruction::Mine(wish) => self.mining.force(wish),
        }
    }

    /// The branch with more work than the chain that only a person can make the chain.
    pub(super) fn refused_branch(&self) -> Option<RefusedBranch> {
        let tip = self.tree.refused_branch()?;
        let (node, fork) = (self.tree.node(&tip), self.tree.fork(&tip));
        Some(RefusedBranch { tip, height: node.height, work: node.work, fork })
    }
}
