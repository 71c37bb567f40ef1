//! What Lambda says instead of calling a function.
//!
//! Takes: the name of an error of Invoke (Lambda API reference, "Invoke", "Errors"). Gives: what it means.
//! Deliberately does not: know exceptions of functions.

/// One error. In `summary`, `{}` is the function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble {
    /// As Step Functions names it after `Lambda.`, without `Exception`.
    name: &'static str,
    /// In a line.
    pub(super) summary: &'static str,
    /// Whether trying again can help.
    pub(super) recoverable: Option<bool>,
    /// What to do.
    pub(super) help: Option<&'static str>,
}

/// The service's own, which pass by themselves.
const PASSING: Option<bool> = Some(true);
const LASTING: Option<bool> = Some(false);

const TROUBLES: &[Trouble] = &[
    trouble(
        "TooManyRequests",
        "Lambda throttled the call of {}",
        PASSING,
        "lower `max_concurrency`, or raise the function's reserved concurrency",
    ),
    trouble("EC2Throttled", "EC2 throttled Lambda while it prepared {}", PASSING, ""),
    trouble("EC2Unexpected", "EC2 failed while Lambda prepared {}", PASSING, ""),
    trouble("Service", "Lambda failed, not {}", PASSING, ""),
    trouble("AWSLambda", "Lambda failed, not {}", PASSING, ""),
    trouble("SdkClient", "the call of {} did not reach Lambda, or its answer did not come back", PASSING, ""),
    trouble("ClientExecutionTimeout", "Lambda did not answer the call of {} in time", PASSING, ""),
    trouble("ResourceNotReady", "{} is not ready: it is being prepared, or was idle for weeks", PASSING, ""),
    trouble("ResourceConflict", "{} is being created or changed", PASSING, "let the deployment end first"),
    trouble("SnapStartNotReady", "the snapshot that {} starts from is not ready", PASSING, ""),
    trouble("SnapStartTimeout", "{} did not start from its snapshot in time", PASSING, ""),
    trouble("SnapStart", "{} did not start from its snapshot", None, "the function's log says why"),
    trouble(
        "ResourceNotFound",
        "there is no {}",
        LASTING,
        "is the function deployed in this account and region, with the alias or version that the operation names?",
    ),
    trouble(
        "InvalidRequestContent",
        "{} cannot take its payload",
        LASTING,
        "`payload` has to be what the function takes",
    ),
    trouble(
        "RequestTooLarge",
        "the payload is larger than {} may be given",
        LASTING,
        "leave the data in S3 and pass its place",
    ),
    trouble(
        "RequestEntityTooLarge",
        "the payload is larger than {} may be given",
        LASTING,
        "leave the data in S3 and pass its place",
    ),
    trouble(
        "KMSAccessDenied",
        "Lambda may not decrypt the environment variables of {}",
        LASTING,
        "the function's own role needs `kms:Decrypt` on the key, and the key's policy has to allow it; a role that was deleted \
         and made again needs the function deployed again",
    ),
    trouble(
        "KMSDisabled",
        "the KMS key of the environment variables of {} is disabled",
        LASTING,
        "enable the key, or give the function another",
    ),
    trouble(
        "KMSInvalidState",
        "the KMS key of the environment variables of {} cannot be used",
        LASTING,
        "look at the key's state: it may be about to be deleted",
    ),
    trouble(
        "KMSNotFound",
        "the KMS key of the environment variables of {} does not exist",
        LASTING,
        "give the function another key",
    ),
    trouble(
        "EFSMountConnectivity",
        "{} cannot reach its file system",
        None,
        "its subnets need a mount target of the file system, and the security groups have to allow port 2049",
    ),
    trouble(
        "EFSMountFailure",
        "{} cannot mount its file system",
        LASTING,
        "the function's own role needs `elasticfilesystem:ClientMount`, and the access point has to exist",
    ),
    trouble("EFSMountTimeout", "{} did not mount its file system in time", PASSING, ""),
    trouble(
        "EFSIO",
        "{} cannot read or write its file system",
        None,
        "has the file system throughput and burst credits left?",
    ),
    trouble(
        "EC2AccessDenied",
        "Lambda may not make the network interface of {}",
        LASTING,
        "the function's own role needs what `AWSLambdaVPCAccessExecutionRole` allows",
    ),
    trouble(
        "ENILimitReached",
        "no network interface is left for {}",
        PASSING,
        "raise the account's quota of network interfaces, or delete those that nobody uses",
    ),
    trouble(
        "SubnetIPAddressLimitReached",
        "the subnets of {} have no free address",
        PASSING,
        "give the function larger subnets, or more of them",
    ),
    trouble(
        "InvalidSubnetID",
        "a subnet of {} does not exist",
        LASTING,
        "mend the function's network configuration",
    ),
    trouble(
        "InvalidSecurityGroupID",
        "a security group of {} does not exist",
        LASTING,
        "mend the function's network configuration",
    ),
    trouble(
        "InvalidRuntime",
        "the runtime of {} is not supported",
        LASTING,
        "deploy the function with a newer runtime",
    ),
    trouble("InvalidZipFile", "the package of {} cannot be unpacked", LASTING, "deploy the function again"),
    trouble(
        "RecursiveInvocation",
        "Lambda stopped {}, which calls itself in a loop",
        LASTING,
        "break the loop between the function and what triggers it",
    ),
];

const fn trouble(
    name: &'static str,
    summary: &'static str,
    recoverable: Option<bool>,
    help: &'static str,
) -> Trouble {
    Trouble { name, summary, recoverable, help: if help.is_empty() { None } else { Some(help) } }
}

/// By the error's name, `Lambda.EFSIOException`. Its case differs between the SDKs that Step Functions was built with.
pub(super) fn trouble_of(error: &str) -> Option<&'static Trouble> {
    let name = error.strip_prefix("Lambda.")?;
    let name = name.strip_suffix("Exception").unwrap_or(name);
    TROUBLES.iter().find(|trouble| trouble.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_name_however_it_is_written() {
        let summary = |error| trouble_of(error).map(|trouble| trouble.summary);
        assert_eq!(summary("Lambda.EFSIOException"), summary("Lambda.EfsIoException"));
        assert_eq!(summary("Lambda.KmsDisabledException"), summary("Lambda.KMSDisabledException"));
        assert_eq!(summary("Lambda.Unknown"), None);
        assert_eq!(summary("KeyError"), None);
    }

    #[test]
    fn no_name_is_there_twice() {
        for (index, trouble) in TROUBLES.iter().enumerate() {
            assert!(TROUBLES[..index].iter().all(|other| other.name != trouble.name), "{}", trouble.name);
        }
    }
}
