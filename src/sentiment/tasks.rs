//! Which tasks are asked of one text.

use super::Task;

/// A set of tasks, in the order of [`Task::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tasks(u8);

impl Tasks {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, task: Task) -> bool {
        self.0 & bit(task) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Task> {
        Task::ALL.into_iter().filter(move |task| self.contains(*task))
    }
}

impl From<Task> for Tasks {
    fn from(task: Task) -> Tasks {
        Tasks(bit(task))
    }
}

impl FromIterator<Task> for Tasks {
    fn from_iter<I: IntoIterator<Item = Task>>(tasks: I) -> Tasks {
        Tasks(tasks.into_iter().map(bit).fold(0, |all, one| all | one))
    }
}

fn bit(task: Task) -> u8 {
    1 << task as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_task_once_in_order() {
        let tasks: Tasks = [Task::Emotions, Task::Sentiment, Task::Emotions].into_iter().collect();
        assert_eq!(tasks.iter().collect::<Vec<_>>(), [Task::Sentiment, Task::Emotions]);
        assert!(tasks.contains(Task::Sentiment) && !tasks.contains(Task::Aspects));
        assert!(Tasks::default().is_empty() && !Tasks::from(Task::Aspects).is_empty());
    }
}
