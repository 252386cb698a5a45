//! How backends run the tasks of workers.

use super::report::Report;
use super::worker::{Lane, LaneTask, StepCodes, Worker};
use crate::objective::Objective;
use crate::tensor::backend::{DeviceError, Host, OnCard, Portable, PortableDevice};
use rayon::prelude::*;

/// A backend that can run tasks on workers: on one thread, as a GPU requires, unless it says otherwise.
pub trait Execute: Report {
    /// The forward and backward passes of the lanes of a step, in their order.
    ///
    /// # Errors
    /// The error of one of the lanes.
    fn learn<J: Objective>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        lanes: Vec<LaneTask<'_, Self, J>>,
    ) -> Result<Vec<Lane<Self>>, DeviceError> {
        let _ = pool;
        lanes.into_iter().map(|lane| worker.learn(lane)).collect()
    }

    /// The codes of micro-batches of training images, in their order.
    ///
    /// # Errors
    /// The error of one of the micro-batches.
    fn codes(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        micro_batches: &[&[u32]],
        epoch: u64,
    ) -> Result<Vec<StepCodes<Self>>, DeviceError> {
        let _ = pool;
        micro_batches.iter().map(|indices| worker.codes(indices, epoch)).collect()
    }

    /// Runs the task for each item. The results are in the order of the items.
    ///
    /// # Errors
    /// The error of one of the tasks.
    fn execute<I: Send, R: Send>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: impl Fn(&Worker<Self>, I) -> Result<R, DeviceError> + Sync,
    ) -> Result<Vec<R>, DeviceError> {
        let _ = pool;
        items.into_iter().map(|item| task(worker, item)).collect()
    }
}

impl Execute for Host {
    fn learn<J: Objective>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Host>,
        lanes: Vec<LaneTask<'_, Host, J>>,
    ) -> Result<Vec<Lane<Host>>, DeviceError> {
        pool.install(|| lanes.into_par_iter().map(|lane| worker.learn(lane)).collect())
    }

    fn codes(
        pool: &rayon::ThreadPool,
        worker: &Worker<Host>,
        micro_batches: &[&[u32]],
        epoch: u64,
    ) -> Result<Vec<StepCodes<Host>>, DeviceError> {
        pool.install(|| micro_batches.par_iter().map(|indices| worker.codes(indices, epoch)).collect())
    }

    fn execute<I: Send, R: Send>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: impl Fn(&Worker<Self>, I) -> Result<R, DeviceError> + Sync,
    ) -> Result<Vec<R>, DeviceError> {
        pool.install(|| items.into_par_iter().map(|item| task(worker, item)).collect())
    }
}

impl<D: PortableDevice> Execute for Portable<D> {}

impl Execute for OnCard {}
